import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../lab/wait.ts';
import { CLUSTER_YAML, manifest, type Running, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
const SECONDS = { timeoutMs: 30_000 };
let [first, second] = ['', ''];
let operator: Running | undefined;

const runs = (vm: string) => site.simulator.host('t01').host.isRunning(vm);
const force = (sha: string) => site.git('push', '--quiet', '--force', 'origin', `${sha}:refs/heads/main`);

async function startOperator(): Promise<Running> {
  operator = site.start(['run']);
  const isReady = async () => (await fetch(`http://127.0.0.1:${site.port}/readyz`)).ok;
  await waitFor('the first pass', isReady, { timeoutMs: 60_000 });
  return operator;
}

async function end(running: Running) {
  running.child.kill('SIGTERM');
  await running.finished;
}

beforeAll(() => {
  first = site.commit('First', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1') });
  second = site.commit('Second', { [WEB]: manifest('t01', 'web-1', 'web-2') });
});
afterEach(() => void operator?.child.kill('SIGKILL'));

/** One story: each test goes on where the one before ended. */
describe('a branch that is forced back to a commit whose manifests are right', () => {
  it('stops reconcile and plan, which show both commits and how to confirm it', async () => {
    expect(await site.run(['reconcile', '--once'])).toMatchObject({ code: 0 });
    force(first);
    const { code, stdout } = await site.run(['reconcile', '--once']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^refused: nothing was touched\n/);
    expect(stdout).toContain(
      `E_GIT_REWIND: the branch was rewritten or taken back: ${first.slice(0, 12)} does not descend from ${second.slice(0, 12)}`,
    );
    const plan = await site.run(['plan']);
    expect(plan.code).toBe(1);
    expect(plan.stdout).toMatch(/- remove +web-2/);
    expect(plan.stdout).toMatch(/would be refused:\n {2}[0-9a-f]{12}: the branch was rewritten/);
    expect(runs('web-2')).toBe(true);
  });

  it('is not applied by an operator that starts after it; status, metrics, log and note tell', async () => {
    const running = await startOperator();
    const status = await site.run(['status']);
    expect(status.code).toBe(1);
    expect(status.stdout).toMatch(/E_GIT_REWIND[^]*kvm-gitops confirm [0-9a-f]{12}/);
    const metrics = await (await fetch(`http://127.0.0.1:${site.port}/metrics`)).text();
    expect(metrics).toContain('kvm_gitops_refused{because="rewind"} 1');
    // The command before has journalled it: the log says it again.
    await running.says(/"level":"warn".*E_GIT_REWIND/);
    const noted = async () => (await site.run(['log'])).stdout;
    await waitFor('the note', async () => /refused[^]*E_GIT_REWIND/.test(await noted()), SECONDS);

    site.simulator.host('t01').host.powerOff('web-2');
    await waitFor('the commit in force to be healed', () => runs('web-2'), SECONDS);
    await end(running);
  });

  it('is not applied by an operator whose state folder is new: the marks of the VMs tell', async () => {
    rmSync(site.state, { recursive: true });
    const { code, stdout } = await site.run(['reconcile', '--once']);
    expect(code).toBe(1);
    expect(stdout).toContain(`does not descend from ${second.slice(0, 12)}`);
    expect(runs('web-2')).toBe(true);
  });

  it('goes on by itself once the branch has what was applied', async () => {
    const running = await startOperator();
    force(second);
    const applied = () =>
      readFileSync(join(site.state, 'journal.jsonl'), 'utf8').includes('"status":"applied"');
    await waitFor('the commit', applied, SECONDS);
    const metrics = async () => (await fetch(`http://127.0.0.1:${site.port}/metrics`)).text();
    const isOver = async () => (await metrics()).includes('kvm_gitops_refused{because="rewind"} 0');
    await waitFor('the metric', isOver, SECONDS);
    expect(await site.run(['status'])).toMatchObject({ code: 0 });
    force(first);
    const told = () => running.stderr().split('E_GIT_REWIND').length > 2;
    await waitFor('the log to tell of it again', told, SECONDS);
    await end(running);
  });

  it('is applied after its confirmation, and after no other', async () => {
    const running = await startOperator();
    const { stdout } = await site.run(['status']);
    const hash = /kvm-gitops confirm ([0-9a-f]{12})/.exec(stdout)?.[1] ?? '';
    expect(await site.run(['confirm', 'ba9876543210'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`what waits is ${hash}`),
    });
    expect(await site.run(['confirm', hash])).toMatchObject({ code: 0 });
    await waitFor('the removal', () => !runs('web-2'), SECONDS);
    await waitFor('status', async () => (await site.run(['status'])).code === 0, SECONDS);
    expect(runs('web-1')).toBe(true);
    await end(running);
  });

  it('is followed at once where operator.yaml allows it', async () => {
    force(second);
    expect(await site.run(['reconcile', '--once'])).toMatchObject({ code: 0 });
    force(first);
    const config = site.configWith((text) => text.replace('git: { ', 'git: { allowRewind: true, '));
    expect(await site.run(['reconcile', '--once', '--config', config])).toMatchObject({ code: 0 });
    expect(runs('web-2')).toBe(false);
  });
});
