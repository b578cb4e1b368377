import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { hmac, SECRET } from '../forge/deliveries.ts';
import { STRANGER, type StubForge, startStubForge } from '../forge/stub-forge.ts';
import { waitFor } from '../lab/wait.ts';
import { CLUSTER_YAML, manifest, type Running, useSite } from './site.ts';

// One test sees a pull request through several passes.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const site = useSite();
const TOKEN = 'canary-token-4711';
const WEB = 'manifests/web.yaml';
const TWO = 'manifests/two.yaml';
const MARKER = '<!-- kvm-gitops/plan -->';

let forge: StubForge;
let operator: Running;

beforeAll(async () => {
  forge = await startStubForge('github', TOKEN);
  const lines = [
    'intervals: { poll: 1s }',
    'webhook: { forge: github, secret: { env: HOOK } }',
    `commitStatus: { forge: github, api: "${forge.api}", repository: acme/manifests, token: { env: TOKEN } }`,
    'pullRequests: { confirmers: [ann] }',
  ];
  const config = site.configWith((text) => `${text}\n${lines.join('\n')}\n`);
  site.commit('First', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1') });
  operator = site.start(['--config', config, 'run'], { TOKEN, HOOK: SECRET });
  await until('the first machine runs', () => {
    if (operator.child.exitCode !== null) throw new Error(operator.stderr());
    return site.simulator.host('t01').host.isRunning('web-1');
  });
});
afterAll(() => forge.close());

function until<T>(what: string, condition: () => T | undefined | false): Promise<T> {
  return waitFor(what, condition, { timeoutMs: 60_000 });
}

/** Commits onto the branch of the pull request, as the forge shows it, and has the forge tell of it. */
async function push(files: Readonly<Record<string, string | undefined>>, action: string): Promise<string> {
  site.git('checkout', '--quiet', action === 'opened' ? '-B' : '-q', 'feature');
  site.write(files);
  site.git('add', '--all');
  site.git('commit', '--quiet', '--message', `Feature, ${action}`);
  const head = site.git('rev-parse', 'HEAD');
  site.git('push', '--quiet', 'origin', 'HEAD:refs/pull/1/head');
  site.git('checkout', '--quiet', 'main');
  forge.pulls = [{ number: 1, head, branch: 'feature', fork: 'fork' }];
  await tell('pull_request', { action, number: 1 });
  return head;
}

function noteOf(sha: string): string {
  site.git('fetch', '--quiet', '--force', 'origin', 'refs/notes/*:refs/notes/*');
  const notes = site.git('for-each-ref', '--format=%(refname)', 'refs/notes');
  return site.git('notes', '--ref', notes, 'show', sha);
}

/** The forge tells of something. */
async function tell(event: string, payload: object): Promise<void> {
  const body = JSON.stringify(payload);
  const headers = {
    'content-type': 'application/json',
    'x-github-event': event,
    'x-hub-signature-256': `sha256=${hmac(body)}`,
  };
  const answer = await fetch(`http://127.0.0.1:${site.port}/webhook`, { method: 'POST', headers, body });
  expect(await answer.json()).toEqual({ asked: true });
}

/** Somebody writes a comment on the pull request, and the forge tells of it. */
function write(id: number, user: string, body: string): Promise<void> {
  const createdAt = new Date().toISOString();
  forge.comments.push({ id, pull: 1, author: STRANGER, user, body, createdAt });
  const issue = { number: 1, pull_request: {} };
  return tell('issue_comment', { action: 'created', issue, comment: { id, body } });
}

const ours = () => forge.comments.filter(({ author }) => author !== STRANGER);
const planned = (sha: string) =>
  forge.statuses.filter((one) => one.sha === sha && one.name === 'kvm-gitops/plan');
const applied = (sha: string) => forge.statuses.filter((one) => one.sha === sha && one.name === 'kvm-gitops');

it('shows the mistake of a pull request with a link to its line, as a comment and as a failure', async () => {
  forge.comments.push({ id: 1, pull: 1, author: STRANGER, body: `${MARKER}\nmine` });
  const head = await push({ [TWO]: manifest('t09', 'web-2') }, 'opened');
  const [comment] = await until('a comment', () => (ours().length > 0 ? ours() : undefined));
  expect(comment?.body).toMatch(
    /^<!-- kvm-gitops\/plan -->\n\n### kvm-gitops: this would be refused, one problem/,
  );
  expect(comment?.body).toContain(
    `[\`${TWO}:1:9\`](https://forge.example/stranger/manifests/blob/${head}/${TWO}#L1): \`host: "t09"`,
  );
  await until('a state', () => planned(head).length === 2);
  expect(planned(head)).toMatchObject([
    { state: 'pending', description: 'the plan is being made' },
    { state: 'failure', description: expect.stringContaining(`would be refused: ${TWO}:1: host: "t09"`) },
  ]);
});

it('edits that comment once it is mended, and shows what would follow', async () => {
  const head = await push({ [TWO]: manifest('t02', 'web-2') }, 'synchronize');
  await until('success', () => planned(head).some(({ state }) => state === 'success'));
  await until('the plan', () => ours()[0]?.body.includes('### kvm-gitops: 1 to create, 1 to start'));
  expect(planned(head).at(-1)?.description).toBe('plan: 1 to create, 1 to start');
  expect(ours()).toHaveLength(1);
  expect(ours()[0]?.body).toMatch(/\| `t02` \| `memory` \| 0 GiB \| 0.5 GiB \| 16 GiB \|/);
  expect(forge.comments[0]).toMatchObject({ author: STRANGER, body: `${MARKER}\nmine` });
  expect(site.simulator.host('t02').host.vms()).toEqual([]);
});

it('plans it anew once its base has moved, of which nobody tells', async () => {
  const base = site.commit('Meanwhile', { 'cluster.yaml': `${CLUSTER_YAML}policy: { maxRemovals: 3 }\n` });
  await until('another plan', () => ours()[0]?.body.includes(base.slice(0, 12)));
  expect(ours()).toHaveLength(1);
});

it('applies it once it is merged, and puts it back when that is reverted, each with its state and note', async () => {
  site.git('merge', '--quiet', '--no-ff', '--message', 'Merge', 'feature');
  forge.pulls = [];
  const merge = site.commit('Empty');
  await until('the machine runs', () => site.simulator.host('t02').host.isRunning('web-2'));
  await until('a state', () => applied(merge).some(({ state }) => state === 'success'));
  const revert = site.commit('Revert', { [TWO]: undefined });
  await until('the machine is gone', () => !site.simulator.host('t02').host.isRunning('web-2'));
  await until('its state', () => applied(revert).some(({ state }) => state === 'success'));
  expect(applied(revert).at(-1)?.description).toContain('removed 1');
  await until('the note', () => noteOf(revert).includes('web-2'));
});

it('removes what the guards hold back once somebody who may has confirmed it on the pull request', async () => {
  const empty = await push({ [WEB]: undefined }, 'opened');
  await until('the plan', () => planned(empty).some(({ state }) => state === 'success'));
  const plan = await until('its comment', () =>
    ours().find(({ body }) => body.includes('as a comment') && body.includes('### kvm-gitops: 1 held')),
  );
  const [, command = ''] = /as a comment: `([^`]+)`/.exec(plan.body) ?? [];
  site.git('merge', '--quiet', '--ff-only', 'feature');
  forge.pulls = [];
  const merge = site.commit('Empty the cluster');
  await until('the hold', () =>
    applied(merge).some(({ description }) => command.endsWith(description.slice(-12))),
  );
  await write(91, 'mallory', command);
  await write(92, 'ann', command);
  await until('the answer', () => forge.comments.find(({ body }) => body.startsWith('Confirmed by `ann`')));
  await until('the machine is gone', () => !site.simulator.host('t01').host.isRunning('web-1'));
  await until('its state', () => applied(merge).some(({ state }) => state === 'success'));
  await until('the note', () => noteOf(merge).includes('ann (comment on pull request 1)'));
  expect(forge.comments.filter(({ body }) => /^(Confirmed|Not)/.test(body))).toHaveLength(1);
});

it('has called the forge as that publishes, and shows the token nowhere', async () => {
  operator.child.kill('SIGTERM');
  const { code, stdout, stderr } = await operator.finished;
  expect(code).toBe(0);
  expect(forge.mistakes).toEqual([]);
  const files = readdirSync(site.state, { recursive: true, withFileTypes: true }).filter((one) =>
    one.isFile(),
  );
  const state = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1'));
  const said = [
    ...forge.comments.map(({ body }) => body),
    ...forge.statuses.map((one) => JSON.stringify(one)),
  ];
  expect([stdout, stderr, site.git('ls-remote', 'origin'), ...said, ...state].join('\n')).not.toContain(
    TOKEN,
  );
  expect(stderr).not.toMatch(/error/i);
});
