import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** Which rooms a room may look into; ARCHITECTURE.md has the table. What is not listed may look anywhere. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  core: ['errors.ts'],
  libvirt: [],
  git: ['core', 'errors.ts', 'ports.ts', 'private-file.ts', 'redact.ts'],
  hosts: ['core', 'libvirt', 'errors.ts', 'ports.ts', 'private-file.ts'],
  guests: ['core', 'hosts', 'errors.ts', 'private-file.ts'],
  names: ['core', 'hosts', 'errors.ts', 'ports.ts'],
  reconcile: ['core', 'errors.ts', 'ports.ts'],
  forge: [],
  review: ['core', 'forge', 'git', 'reconcile', 'errors.ts', 'ports.ts'],
  notify: ['core', 'forge', 'reconcile', 'state', 'errors.ts', 'redact.ts'],
  http: ['core', 'forge', 'reconcile', 'redact.ts', 'errors.ts'],
  state: ['core', 'errors.ts', 'ports.ts', 'private-file.ts'],
  simulator: ['core', 'libvirt', 'errors.ts'],
};

/** Node modules that touch the world or read its clock. */
const NO_IO = /^node:(?!crypto$|util$)/;

describe.each(Object.entries(ALLOWED))('src/%s', (room, allowed) => {
  it.each(filesIn(room))('%s imports only what lies inward', (file) => {
    const outside = importsOf(file)
      .filter((path) => path.startsWith('.'))
      .map((path) => relative(SRC, join(dirname(join(SRC, file)), path)).split('/')[0] ?? '')
      .filter((other) => other !== room && !allowed.includes(other));
    expect(outside).toEqual([]);
  });
});

describe('the core is pure', () => {
  it.each(filesIn('core'))('%s does no I/O and reads no clock', (file) => {
    expect(importsOf(file).filter((path) => NO_IO.test(path))).toEqual([]);
    expect(readFileSync(join(SRC, file), 'utf8')).not.toMatch(
      /\bDate\.now\(|new Date\(\)|Math\.random\(|process\./,
    );
  });
});

it('only config.ts reads the environment', () => {
  const readers = filesIn('.').filter((file) =>
    /\bprocess\.env\b/.test(readFileSync(join(SRC, file), 'utf8')),
  );
  expect(readers).toEqual(['config.ts']);
});

function filesIn(folder: string): string[] {
  return readdirSync(join(SRC, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .toSorted();
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  return [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, path]) => path ?? '');
}
