import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildDesired } from '../src/core/build-desired.ts';
import { clusterJsonSchema, manifestJsonSchema, schemaFiles } from '../src/core/json-schema.ts';
import { schemaProperties } from './core/schema-properties.ts';

const TEMPLATE = join(import.meta.dirname, '../manifests-repo-template');

function read(path: string): string {
  return readFileSync(join(TEMPLATE, path), 'utf8');
}

function files() {
  return readdirSync(TEMPLATE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(TEMPLATE.length + 1))
    .map((path) => ({ path, content: read(path) }));
}

function fieldNames(): string[] {
  const paths = [manifestJsonSchema(), clusterJsonSchema()].flatMap((schema) => schemaProperties(schema));
  return [...new Set(paths.map(([path]) => path.split('.').at(-1) ?? ''))];
}

describe('the manifests repository template', () => {
  it('is right, with two VMs on each of three hosts', () => {
    const built = buildDesired(files());
    if (!built.ok) throw new Error(JSON.stringify(built.issues));
    const hosts = [...built.desired.vms.values()].map(({ host }) => host).toSorted();
    expect(hosts).toEqual(['t01', 't01', 't02', 't02', 't03', 't03']);
  });

  it.each(schemaFiles())('has the current $path (npm run schemas writes it)', ({ path, content }) => {
    expect(read(path)).toBe(content);
  });

  it.each(fieldNames())('explains %s', (name) => {
    expect(new RegExp(`[\`.]${name}[\`.]`).test(read('README.md'))).toBe(true);
  });

  it('has right examples in its README', () => {
    const examples = [...read('README.md').matchAll(/```(yaml|json)\n(.*?)```/gs)];
    const manifests = examples.filter(([, , text]) => !text?.startsWith('cluster:'));
    const cluster = examples.find(([, , text]) => text?.startsWith('cluster:'))?.[2] ?? '';
    expect(manifests).toHaveLength(4);
    for (const [, kind, content = ''] of manifests) {
      const built = buildDesired([
        { path: 'cluster.yaml', content: cluster },
        { path: `manifests/a.${kind}`, content },
      ]);
      expect(built).toMatchObject({ ok: true });
    }
  });
});
