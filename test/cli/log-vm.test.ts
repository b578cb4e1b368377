import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { CLUSTER_YAML, manifest, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
const commits: string[] = [];

/** The life of web-1, with a commit between that is not valid, and two that are about others. */
beforeAll(async () => {
  const pass = async (subject: string, files: Record<string, string | undefined>) => {
    commits.push(site.commit(subject, files).slice(0, 12));
    await site.run(['reconcile', '--once']);
  };
  const larger = manifest('t01', 'web-1').replace('vcpus: 1', 'vcpus: 2');
  await pass('Add web-1', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1') });
  await pass('Add web-2', { 'manifests/two.yaml': manifest('t02', 'web-2') });
  await pass('Break it', { [WEB]: larger.replace('vcpus: 2', 'vcpus: two') });
  await pass('Give web-1 more', { [WEB]: larger });
  await pass('Say something', { 'README.md': 'words' });
  await pass('Remove web-1', { [WEB]: undefined });
});

it('log VM shows each commit that changed it, what was done for it, and how that ended', async () => {
  const { code, stdout, stderr } = await site.run(['log', 'web-1']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [added, , , larger, , removed] = commits;
  const blocks = stdout.split('\n\n');
  expect(blocks.map((block) => block.slice(0, 12))).toEqual([removed, larger, added]);
  expect(blocks[0]).toMatch(
    /Remove web-1 .*\n {4}git: removed\n {4}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}removed it on t01: gone from git; .*\n {4}applied/,
  );
  expect(blocks[1]).toMatch(/git: changed: vcpus 1 -> 2\n.* resized it on t01: /);
  expect(blocks[2]).toMatch(/git: added\n.* created it on t01: .*\n.* started it on t01: .*\n {4}applied/);
});

it('log VM --json is for programs, and -n bounds it', async () => {
  const { stdout } = await site.run(['log', 'web-1', '-n', '2', '--json']);
  expect(JSON.parse(stdout)).toMatchObject([
    { revision: { subject: 'Remove web-1' }, change: { kind: 'removed' }, record: { status: 'applied' } },
    { change: { kind: 'changed', fields: ['vcpus 1 -> 2'] } },
  ]);
});

it('log VM of one that nobody knows is a wrong command line', async () => {
  const { code, stdout, stderr } = await site.run(['log', 'web-7']);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('no commit of main names a VM web-7');
});

it('log VM takes what it can from the notes when the journal is lost', async () => {
  rmSync(join(site.state, 'journal.jsonl'));
  const { code, stdout } = await site.run(['log', 'web-1']);
  expect(code).toBe(0);
  expect(stdout).toMatch(/git: added\n {4}note: t01 {2}created web-1; started web-1/);
});
