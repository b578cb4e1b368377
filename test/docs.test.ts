import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { writtenConfig } from '../src/config/schema.ts';
import { loadConfig } from '../src/config.ts';
import { ERRORS } from '../src/errors.ts';

const deploy = join(import.meta.dirname, '..', 'deploy');
const readme = readFileSync(join(deploy, 'README.md'), 'utf8');

describe('deploy/README.md', () => {
  it('has a row for each key of operator.yaml with its default and its meaning, and no other', () => {
    expect(rowsOf('Every key of operator.yaml')).toEqual(configRows());
  });

  it('explains each error code, and none that does not exist', () => {
    const explained = rowsOf('Error codes').map((row) => /^\| `(E_[A-Z_]+)` \| (\S+) /.exec(row)?.slice(1));
    expect(explained).toEqual(Object.entries(ERRORS).map(([code, { reaction }]) => [code, reaction]));
  });
});

describe('deploy/operator.example.yaml', () => {
  const example = readFileSync(join(deploy, 'operator.example.yaml'), 'utf8');

  it('is a valid config as it stands', () => {
    const config = loadConfig(join(deploy, 'operator.example.yaml'), { HOME: '/root' });
    expect([...config.hosts.keys()]).toEqual(['t01', 't02', 't03']);
  });

  it('is a valid config with everything in it that is commented out', () => {
    const dir = mkdtempSync(join(tmpdir(), 'kg-docs-'));
    try {
      for (const name of ['git_token', 'webhook_secret', 'status_token', 'hook_secret', 'smtp_password'])
        writeFileSync(join(dir, name), 'x', { mode: 0o600 });
      writeFileSync(join(dir, 'chat_url'), 'https://hooks.example.com/x', { mode: 0o600 });
      writeFileSync(join(dir, 'admin_token'), 'x'.repeat(64), { mode: 0o600 });
      const all = example
        .replace(/^( *)# (?=( *)(?:- )?[a-zA-Z]+:)/gm, '$1')
        .replaceAll('/etc/kvm-gitops/', '');
      writeFileSync(join(dir, 'operator.yaml'), all);
      const config = loadConfig(join(dir, 'operator.yaml'), { HOME: '/root', SSH_AUTH_SOCK: '/run/agent' });
      expect(config.webhook?.secret.reveal()).toBe('x');
      expect(config.hosts.get('t01')?.target.jump).toMatchObject({ address: 'bastion.example.com' });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it('shows every key that README.md lists', () => {
    const shown = new Set([...example.matchAll(/^[ #]*([a-zA-Z]+):/gm)].map(([, key]) => key));
    const keys = configRows().map((row) => /([A-Za-z]+)` \|/.exec(row)?.[1]);
    // In a comment beside its alternative.
    const elsewhere = new Set(['env']);
    expect(keys.filter((key) => !shown.has(key) && !elsewhere.has(key ?? ''))).toEqual([]);
  });
});

/** The rows of the table under a heading, without the spaces that line them up. */
function rowsOf(heading: string): readonly string[] {
  const [, section = ''] = readme.split(`## ${heading}\n`);
  const lines = section.split('\n## ')[0]?.split('\n') ?? [];
  return lines.filter((line) => line.startsWith('| `')).map(oneSpaced);
}

function oneSpaced(row: string): string {
  return row.replaceAll(/ +/g, ' ');
}

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** The table as the schema has it: `| key | default | meaning |`. */
function configRows(): readonly string[] {
  const schema = writtenConfig({ folder: '/', env: {}, home: '/' });
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  return rowsUnder(json, '');
}

function rowsUnder(schema: JsonSchema, prefix: string): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    if (typeof property === 'boolean') return [];
    const key = `${prefix}${name}`;
    const [inside, below] = insideOf(property);
    const isGroup = inside.properties !== undefined;
    const row = `| \`${key}\` | ${isGroup ? '' : defaultOf(property, schema.required?.includes(name))} | ${property.description} |`;
    return [oneSpaced(row), ...rowsUnder(inside, `${key}${below}.`)];
  });
}

/** What the keys below one are in, and how they are told from it: those of a mapping by any name, those of a list. */
function insideOf(property: JsonSchema): readonly [JsonSchema, string] {
  const { additionalProperties, items } = property;
  if (typeof additionalProperties === 'object') return [additionalProperties, '.NAME'];
  return typeof items === 'object' && !Array.isArray(items) ? [items, '[]'] : [property, ''];
}

function defaultOf(property: JsonSchema, required: boolean | undefined): string {
  const { default: value } = property;
  if (value !== undefined) return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
  return required ? 'required' : '';
}
