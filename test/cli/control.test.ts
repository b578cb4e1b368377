import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../lab/wait.ts';
import { CLUSTER_YAML, manifest, type Running, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
const machines = (...ofT01: readonly string[]) =>
  manifest('t01', ...ofT01) + manifest('t02', 'web-2', 'web-6');
const TOKEN = 'cAnArY-admin-token-0123456789';
let operator: Running;

beforeAll(async () => {
  site.commit('First', { 'cluster.yaml': CLUSTER_YAML, [WEB]: machines('web-1') });
  writeFileSync(join(site.dir, 'token'), TOKEN, { mode: 0o600 });
  site.configWith(
    (text) => text.replace('http: { ', 'http: { adminToken: { file: token }, '),
    'operator.yaml',
  );
  operator = site.start(['run']);
  await waitFor('the VMs', () => isRunning('t01', 'web-1') && isRunning('t02', 'web-6'), {
    timeoutMs: 60_000,
  });
});
afterAll(() => void operator.child.kill('SIGKILL'));

function isRunning(host: string, vm: string): boolean {
  return site.simulator.host(host).host.isRunning(vm);
}

async function status() {
  return (await site.run(['status'])).stdout;
}

function journal(): string {
  return readFileSync(join(site.state, 'journal.jsonl'), 'utf8');
}

const soon = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z');

/** One story over one running operator: each test goes on where the one before ended. */
describe('an operator that people talk to', () => {
  it('leaves a suspended host alone, heals the others, and says so in status, plan and note', async () => {
    const said = await site.run(['suspend', 't01', '--reason', 'new disks', '--for', '2h'], {
      SUDO_USER: 'ann',
    });
    expect(said).toMatchObject({ code: 0, stderr: '' });
    expect(said.stdout).toMatch(/^t01 is suspended by ann until \d{4}-.*Z: new disks\n$/);
    expect(await status()).toMatch(/\nt01 is suspended by ann until .*: new disks\n/);

    site.commit('Second', { [WEB]: machines('web-1', 'web-3') });
    site.simulator.host('t01').host.powerOff('web-1');
    site.simulator.host('t02').host.powerOff('web-2');
    await waitFor('what is not suspended to be healed', () => isRunning('t02', 'web-2'), {
      timeoutMs: 30_000,
    });
    await waitFor(
      'the commit to wait',
      async () => /held create of web-3 on t01 \(suspended\): suspended by ann/.test(await status()),
      { timeoutMs: 30_000 },
    );
    expect(isRunning('t01', 'web-1')).toBe(false);
    const plan = await site.run(['plan']);
    expect(plan.stdout).toMatch(
      /held\n(.*\n)*.*start web-1 on t01 \(suspended\): suspended by ann until .*: new disks/,
    );
  });

  it('goes on at once when it is resumed, and keeps both in the journal and in the note', async () => {
    const { stdout } = await site.run(['resume', 't01'], { SUDO_USER: 'bob' });
    expect(stdout).toBe('resumed t01\n');
    await waitFor('what waited', () => isRunning('t01', 'web-1') && isRunning('t01', 'web-3'), {
      timeoutMs: 30_000,
    });
    expect(await status()).not.toContain('suspended');
    for (const order of ['"kind":"suspend","scope":{"host":"t01"},"who":"ann"', '"kind":"resume"'])
      expect(journal()).toContain(order);
    const noted = async () => /orders:[^]*bob resumed t01/.test((await site.run(['log'])).stdout);
    await waitFor('the note', noted, { timeoutMs: 30_000 });
    const { stdout: history } = await site.run(['log', 'web-1']);
    expect(history).toMatch(/Z {2}ann suspended t01 until .*: new disks\n/);
    expect(history).toMatch(/Z {2}bob resumed t01\n/);
  });

  it('ends a suspension by itself, to the second', async () => {
    const end = soon(8);
    await site.run(['suspend', 't01/web-1', '--reason', 'vendor', '--until', end]);
    site.simulator.host('t01').host.powerOff('web-1');
    await waitFor('it to be held', async () => /held start of web-1/.test(await status()), {
      timeoutMs: 30_000,
    });
    await waitFor('it to run again', () => isRunning('t01', 'web-1'), { timeoutMs: 30_000 });
    const early = Date.parse(end) - Date.now();
    expect(early).toBeLessThanOrEqual(0);
    expect(-early).toBeLessThan(10_000);
    await waitFor('the journal', () => journal().includes('"kind":"expire"'), { timeoutMs: 10_000 });
    await waitFor(
      'the folders to be clean',
      () => readdirSync(join(site.state, 'suspensions')).length === 0,
      {
        timeoutMs: 10_000,
      },
    );
  });

  it('reconcile waits for a pass that began after it was asked for, and shows what came of it', async () => {
    site.simulator.host('t02').host.powerOff('web-2');
    const { code, stdout } = await site.run(['reconcile'], { SUDO_USER: 'ann' });
    expect(stdout).toMatch(/^applied/);
    expect(stdout).toContain('ann asked for a pass');
    expect(code).toBe(0);
    expect(isRunning('t02', 'web-2')).toBe(true);
    const at = site.commit('Third', { [WEB]: machines('web-1') });
    const { stdout: json } = await site.run(['reconcile', '--json']);
    expect(JSON.parse(json)).toMatchObject({ status: 'applied', revision: { sha: at } });
    expect(isRunning('t01', 'web-3')).toBe(false);
  });

  it('lets changes wait while a freeze of cluster.yaml is open, starts what stopped, and goes on at its end', async () => {
    const end = soon(8).slice(0, 19);
    const freeze = `freeze:\n  - { name: launch, from: 2026-01-01T00:00, to: ${end} }\n`;
    const sha = site.commit('Frozen', {
      'cluster.yaml': CLUSTER_YAML + freeze,
      [WEB]: machines('web-1', 'web-4'),
    });
    const reports = () =>
      journal()
        .split('\n')
        .filter((line) => line.includes(sha));
    await waitFor('the commit to wait', () => reports().length > 0, { timeoutMs: 30_000 });
    expect(reports()[0]).toContain('"because":"frozen"');
    site.simulator.host('t02').host.powerOff('web-6');
    const isStarted = () => reports().find((line) => /"subject":"web-6","kind":"start"/.test(line));
    expect(await waitFor('what stopped to run', isStarted, { timeoutMs: 30_000 })).toContain('"frozen":[');

    await waitFor('what waited', () => isRunning('t01', 'web-4'), { timeoutMs: 30_000 });
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(`${end}Z`));
    const isApplied = () => reports().at(-1)?.includes('"status":"applied"') ?? false;
    await waitFor('the report', isApplied, { timeoutMs: 10_000 });
  });

  it('shows in plan and status what a freeze holds, and lets a commit lift it', async () => {
    const freeze = 'freeze:\n  - { name: launch, start: "* * * * *", duration: 1h }\n';
    site.commit('Frozen again', { 'cluster.yaml': CLUSTER_YAML + freeze, [WEB]: machines('web-1') });
    const held = /remove (of )?web-4 on t01 \(frozen\): freeze "launch" until .* UTC/;
    expect((await site.run(['reconcile'])).stdout).toMatch(held);
    expect((await site.run(['plan'])).stdout).toMatch(held);
    expect(await status()).toMatch(/freeze "launch" until .* UTC: changes wait/);
    site.commit('Thawed', { 'cluster.yaml': CLUSTER_YAML });
    expect((await site.run(['reconcile'])).stdout).toMatch(/^applied/);
    expect(isRunning('t01', 'web-4')).toBe(false);
  });

  it('takes suspensions and confirmations by HTTP, for who has the token', async () => {
    const post = async (path: string, body: object, token = TOKEN) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const url = `http://127.0.0.1:${site.port}/api/${path}`;
      const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
      return { status: answer.status, text: await answer.text() };
    };
    const wish = { target: 't02/web-6', reason: 'vendor', for: '1h', who: 'ann' };
    expect(await post('suspend', wish, 'wrong')).toMatchObject({ status: 401 });
    expect(await post('suspend', { ...wish, target: 't9' })).toMatchObject({
      status: 400,
      text: expect.stringContaining('no host of operator.yaml'),
    });
    expect(await post('suspend', wish)).toMatchObject({ status: 200 });
    expect(await status()).toMatch(/t02\/web-6 is suspended by ann \(by the API\) until .*: vendor/);
    expect(await post('resume', { target: 't02/web-6' })).toMatchObject({ status: 200 });

    site.commit('None', { [WEB]: undefined });
    const { stdout } = await site.run(['reconcile']);
    const hash = /kvm-gitops confirm ([0-9a-f]{12})/.exec(stdout)?.[1] ?? '';
    expect(await post('confirm', { hash: 'ba9876543210' })).toMatchObject({
      status: 400,
      text: expect.stringContaining(`what waits is ${hash}`),
    });
    expect(isRunning('t02', 'web-2')).toBe(true);
    expect(await post('confirm', { hash, who: 'bob' })).toMatchObject({ status: 200 });
    await waitFor('the removal', () => !isRunning('t01', 'web-1') && !isRunning('t02', 'web-2'), {
      timeoutMs: 30_000,
    });
    const told = () => journal().includes(`"who":"bob (by the API)","at":`) && journal().includes(hash);
    await waitFor('the journal to tell of it', told, { timeoutMs: 10_000 });
    site.commit('Back', { [WEB]: machines('web-1') });
    expect((await site.run(['reconcile'])).stdout).toMatch(/^applied/);
    expect(operator.stderr()).not.toContain('cAnArY');
  });

  it('reconcile does it here where no operator runs', async () => {
    operator.child.kill('SIGTERM');
    await operator.finished;
    site.simulator.host('t02').host.powerOff('web-2');
    expect(await site.run(['reconcile'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^applied/),
    });
    expect(isRunning('t02', 'web-2')).toBe(true);
  });

  it('is told before it starts, and shows that without running', async () => {
    await site.run(['suspend', '--all', '--reason', 'core switch', '--for', '1h']);
    expect(await status()).toMatch(/everything is suspended by .*: core switch\n$/);
    site.simulator.host('t02').host.powerOff('web-2');
    expect((await site.run(['reconcile', '--once'])).code).toBe(1);
    expect(isRunning('t02', 'web-2')).toBe(false);
    expect(await site.run(['resume', '--all'])).toMatchObject({ code: 0 });
    expect((await site.run(['reconcile', '--once'])).code).toBe(0);
    expect(isRunning('t02', 'web-2')).toBe(true);
  });
});

it('a VM that nobody has seen is suspended all the same, with a warning; a wrong host is not', async () => {
  const { code, stderr } = await site.run(['suspend', 't01/wbe-1', '--reason', 'x']);
  expect(code).toBe(0);
  expect(stderr).toContain('no VM of ours called wbe-1 was seen on t01');
  expect(await site.run(['suspend', 't1', '--reason', 'x'])).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringContaining('E_USAGE: "t1" is no host of operator.yaml; did you mean "t01"'),
  });
});
