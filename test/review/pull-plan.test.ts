import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import type { PullRequest } from '../../src/forge/pulls/pull-request.ts';
import type { Merge } from '../../src/git/merge.ts';
import type { Question, Snapshot } from '../../src/ports.ts';
import { createBuilder } from '../../src/reconcile/builder.ts';
import { questionFor } from '../../src/reconcile/reconcile.ts';
import { createPullPlanner, type PlanPull, type Sight } from '../../src/review/pull-plan.ts';
import { knownHost, NOW, observedState, revision } from '../builders.ts';
import { CLUSTER_YAML, manifest } from '../cli/site.ts';

const HEAD = 'a'.repeat(40);
const BASE = 'b'.repeat(40);
const MARKER = '<!-- kvm-gitops/plan -->';
const PULL: PullRequest = {
  number: 7,
  head: HEAD,
  ref: 'refs/pull/7/head',
  branch: 'stranger:feature',
  isFork: true,
  files: `https://forge.example/blob/${HEAD}`,
};
const WEB = { 'cluster.yaml': CLUSTER_YAML, 'manifests/web.yaml': manifest('t01', 'web-1') };
const TWO = { ...WEB, 'manifests/two.yaml': manifest('t02', 'web-2') };
const signal = new AbortController().signal;
const build = createBuilder(
  { hosts: new Map(['t01', 't02'].map((name) => [name, { address: name }])) },
  new Map(),
);

let merges: string[];
let asked: Question[];

beforeEach(() => {
  [merges, asked] = [[], []];
});

function snapshot(sha: string, files: Readonly<Record<string, string>>): Snapshot {
  const read = Object.entries(files).map(([path, content]) => ({ path, content }));
  return { revision: revision(sha), files: read, skipped: [] };
}

/** What each merge gives, newest last. */
function merged(files: Readonly<Record<string, string>>, head = HEAD, base = BASE): Merge {
  const tree = createHash('sha1').update(JSON.stringify(files)).digest('hex');
  return { base: snapshot(base, WEB), head: revision(head), merged: snapshot(tree, files), conflicts: [] };
}

function plannerOf(merge: (base: number) => Merge): PlanPull {
  return createPullPlanner({
    branch: 'main',
    folder: '',
    marker: MARKER,
    canConfirmHere: true,
    merge: async ({ base, head }) => {
      merges.push(`${head} into ${base}`);
      return merge(merges.length);
    },
    build,
    inForce: async () => undefined,
    ask: async (question) => {
      asked.push(question);
      return hosts();
    },
    clock: { now: () => NOW },
  });
}

function hosts() {
  const volumes = new Map([['default/base.qcow2', { capacity: 1024 ** 3, allocation: 1024 ** 3 }]]);
  return observedState(...['t01', 't02'].map((name) => knownHost(name, [], { volumes })));
}

/** What a pass has seen for the base. */
function sightOf(base = BASE): Sight {
  const built = build(snapshot(BASE, WEB));
  if (!built.ok) throw new Error('the base is not valid');
  const names = { kind: 'unknown', reason: 'dnsmasq is away' } as const;
  const observed = { ...hosts(), names };
  return { base, look: { question: questionFor(built.desired), observed } };
}

describe('the plan of a pull request', () => {
  it('asks no host for what the last pass saw, and begins with the line that it is found by', async () => {
    const { text, state, base } = await plannerOf(() => merged(TWO))(PULL, sightOf(), signal);
    expect(text.startsWith(`${MARKER}\n`)).toBe(true);
    expect(text).toContain('`stranger:feature` (`aaaaaaaaaaaa`) is merged into `main`');
    expect(state).toMatchObject({ state: 'success', description: expect.stringContaining('1 to create') });
    expect({ base, merges, asked }).toEqual({
      base: BASE,
      merges: ['refs/pull/7/head into main'],
      asked: [],
    });
  });

  it('asks for an image that no pass asked for, keeps what that knew of dnsmasq, and looks at no file that it alone names', async () => {
    const image = '  other: { pool: default, volume: other.qcow2 }\n';
    const file = `  stolen: { file: /etc/shadow, sha256: ${'ab'.repeat(32)}, pool: default }\n`;
    const cluster = CLUSTER_YAML.replace('defaults:', `${image}${file}defaults:`);
    const vms = manifest('t02', 'web-2', 'web-3')
      .replace('name: web-2,', 'name: web-2, image: other,')
      .replace('name: web-3,', 'name: web-3, image: stolen,');
    const files = { ...WEB, 'cluster.yaml': cluster, 'manifests/two.yaml': vms };
    const { text } = await plannerOf(() => merged(files))(PULL, sightOf(), signal);
    expect(asked).toHaveLength(1);
    expect(asked[0]?.volumes).toContainEqual(expect.objectContaining({ name: 'other.qcow2' }));
    expect(asked[0]?.images).toEqual([]);
    expect(text).toContain('dnsmasq: does not answer');
  });

  it('asks no host where it would ask for more images than passes should wait for', async () => {
    const names = Array.from({ length: 21 }, (_, index) => `other-${index}`);
    const images = names.map((name) => `  ${name}: { pool: default, volume: ${name}.qcow2 }\n`).join('');
    const vms = names.map((name, index) =>
      manifest('t02', `vm-${index}`)
        .replace(`name: vm-${index},`, `name: vm-${index}, image: ${name},`)
        .replace(/ipaddress: [\d.]+/, `ipaddress: 10.0.2.${100 + index}`),
    );
    const files = {
      ...WEB,
      'cluster.yaml': CLUSTER_YAML.replace('defaults:', `${images}defaults:`),
      ...Object.fromEntries(vms.map((vm, index) => [`manifests/${index}.yaml`, vm])),
    };
    const { text, state } = await plannerOf(() => merged(files))(PULL, sightOf(), signal);
    expect(asked).toEqual([]);
    expect(state.state).toBe('failure');
    expect(text).toContain('use 21 images that no VM of the branch uses');
  });

  it('links a mistake to its line in the pull request', async () => {
    const wrong = { ...WEB, 'manifests/two.yaml': manifest('t09', 'web-2') };
    const { text, state } = await plannerOf(() => merged(wrong))(PULL, sightOf(), signal);
    expect(text).toContain(`](https://forge.example/blob/${HEAD}/manifests/two.yaml#L1)`);
    expect(state.state).toBe('failure');
  });

  it('merges the same two commits once, whatever moves on the hosts', async () => {
    const plan = plannerOf((count) => merged(TWO, HEAD, count === 1 ? BASE : 'c'.repeat(40)));
    await plan(PULL, sightOf(), signal);
    await plan(PULL, sightOf(), signal);
    expect(merges).toHaveLength(1);
    expect((await plan(PULL, sightOf('c'.repeat(40)), signal)).base).toBe('c'.repeat(40));
    expect(merges).toHaveLength(2);
  });

  it('is not made of another commit than the forge shows', async () => {
    const plan = plannerOf((count) => merged(TWO, count === 1 ? 'd'.repeat(40) : HEAD));
    await expect(plan(PULL, sightOf(), signal)).rejects.toMatchObject({ code: 'E_GIT_REMOTE' });
    expect((await plan(PULL, sightOf(), signal)).state.state).toBe('success');
  });

  it('is not made of more than a pass would wait for', async () => {
    const files = { ...WEB, 'manifests/large.yaml': `# ${'x'.repeat(257 * 1024)}` };
    const plan = plannerOf(() => merged(files));
    await plan(PULL, sightOf(), signal);
    const { text, state } = await plan(PULL, sightOf(), signal);
    expect(merges).toHaveLength(1);
    expect(state).toMatchObject({ state: 'failure' });
    expect(text).toContain('more than 262144 are not planned here');
  });
});
