import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PUSHES, SECRET, SENDERS } from '../forge/deliveries.ts';
import { waitFor } from '../lab/wait.ts';
import { CLUSTER_YAML, manifest, type Running, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
let operator: Running | undefined;

async function startOperator(...args: readonly string[]): Promise<Running> {
  const running = site.start(['run', ...args]);
  operator = running;
  const isReady = async () => (await fetch(`http://127.0.0.1:${site.port}/readyz`)).ok;
  await waitFor('the first pass', isReady, { timeoutMs: 60_000 }).catch((cause: unknown) => {
    throw new Error(`it never became ready:\n${running.stderr()}`, { cause });
  });
  return running;
}

function end(running: Running, signal: NodeJS.Signals = 'SIGTERM') {
  running.child.kill(signal);
  return running.finished;
}

function isRunning(vm: string): boolean {
  return site.simulator.hosts.some(({ host }) => host.isRunning(vm));
}

async function passes(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${site.port}/metrics`)).text();
  return [...text.matchAll(/^kvm_gitops_passes_total\{.*\} (\d+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

beforeAll(() => {
  site.commit('First', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1') });
});
afterEach(() => void operator?.child.kill('SIGKILL'));

describe('run', () => {
  it('makes what git says, answers status, hears of a commit, a host event and a confirmation, and ends with 0 on SIGTERM', async () => {
    const running = await startOperator();
    expect(isRunning('web-1')).toBe(true);
    const status = await site.run(['status']);
    expect(status).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(/applied {2}[0-9a-f]{12} First/),
    });

    site.commit('Second', { [WEB]: manifest('t01', 'web-1', 'web-2') });
    await waitFor('the second VM', () => isRunning('web-2'), { timeoutMs: 30_000 });
    site.simulator.host('t01').host.powerOff('web-1');
    await waitFor('the stopped VM to run again', () => isRunning('web-1'), { timeoutMs: 30_000 });

    site.commit('None', { [WEB]: undefined });
    const confirmation = await waitFor(
      'the guard',
      async () => /confirm ([0-9a-f]{12})/.exec((await site.run(['status'])).stdout)?.[1],
      { timeoutMs: 30_000 },
    );
    expect(isRunning('web-1')).toBe(true);
    await site.run(['confirm', confirmation]);
    await waitFor('the removal', () => !isRunning('web-1') && !isRunning('web-2'), { timeoutMs: 30_000 });

    expect(await end(running)).toMatchObject({ code: 0, signal: null, stdout: '' });
    expect(existsSync(join(site.state, 'operator.lock'))).toBe(false);
  });

  it('has a pass at SIGUSR1, and no debugger', async () => {
    const running = await startOperator();
    // The hosts' own events at connecting ask for passes too.
    let before = await passes();
    await waitFor('a quiet moment', async () => before === (before = await passes()), {
      timeoutMs: 30_000,
      intervalMs: 300,
    });
    running.child.kill('SIGUSR1');
    await waitFor('one more pass', async () => (await passes()) > before, { timeoutMs: 30_000 });
    expect(await end(running, 'SIGINT')).toMatchObject({ code: 0 });
    expect(running.stderr()).not.toContain('Debugger');
  });

  it('hears the webhook of its forge, and of no other', async () => {
    writeFileSync(join(site.dir, 'hook'), `${SECRET}\n`, { mode: 0o600 });
    const config = site.configWith((text) => `${text}webhook: { forge: gitea, secret: { file: hook } }\n`);
    const running = await startOperator('--config', config);
    const body = JSON.stringify(PUSHES.gitea('refs/heads/main'));
    const post = (headers: Record<string, string>) =>
      fetch(`http://127.0.0.1:${site.port}/webhook`, { method: 'POST', body, headers });
    expect((await post(SENDERS.gitlab(body))).status).toBe(401);
    expect(await (await post(SENDERS.gitea(body))).json()).toEqual({ asked: true });
    expect(await (await post(SENDERS.gitea(body))).json()).toEqual({ asked: false });
    const asker = async () => {
      const answer = await fetch(`http://127.0.0.1:${site.port}/api/status`);
      return JSON.stringify(await answer.json()).includes('"trigger":"webhook"');
    };
    await waitFor('a pass for the webhook', asker, { timeoutMs: 30_000 });
    expect(await end(running)).toMatchObject({ code: 0 });
    expect(running.stderr()).not.toContain(SECRET);
  });

  it('refuses to run twice over one state folder, and names the other', async () => {
    const running = await startOperator();
    const second = await site.run(['run']);
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toMatch(
      new RegExp(`^kvm-gitops: E_STATE_LOCKED: the state folder is in use by process ${running.child.pid}`),
    );
    expect((await site.run(['reconcile', '--once'])).stderr).toContain('E_STATE_LOCKED');
    await end(running);
  });

  it('says that its port is in use, ends, and leaves no lock', async () => {
    const server = createServer().listen(site.port, '127.0.0.1');
    await once(server, 'listening');
    const { code, stderr } = await site.run(['run']);
    server.close();
    expect(code).toBe(1);
    expect(stderr).toContain(
      `kvm-gitops: E_CONFIG_INVALID: http.listen: cannot listen on 127.0.0.1:${site.port}: `,
    );
    expect(stderr).not.toContain('bug');
    expect(existsSync(join(site.state, 'operator.lock'))).toBe(false);
  });

  it('takes a changed config at once; one that is wrong or cannot work leaves the old one in force', async () => {
    const original = readFileSync(site.config, 'utf8');
    const running = await startOperator();
    writeFileSync(site.config, `${original}nonsense: 1\n`);
    await running.says('is not valid: the old one stays in force');

    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    writeFileSync(site.config, original.replace(String(site.port), String(port)));
    await running.says('does not work: the old one stays in force');
    taken.close();
    await waitFor('the old one', async () => (await fetch(`http://127.0.0.1:${site.port}/healthz`)).ok, {
      timeoutMs: 30_000,
    });

    writeFileSync(site.config, original.replace(/ {2}t02.*\n/, ''));
    await waitFor(
      'the host to be gone',
      async () => !(await (await fetch(`http://127.0.0.1:${site.port}/api/status`)).text()).includes('"t02"'),
      { timeoutMs: 30_000 },
    );
    writeFileSync(site.config, original);
    expect(await end(running)).toMatchObject({ code: 0 });
  });

  it('goes on where it was killed, and takes over the lock', async () => {
    const killed = await startOperator();
    expect(await end(killed, 'SIGKILL')).toMatchObject({ signal: 'SIGKILL' });
    const running = await startOperator();
    expect(await end(running)).toMatchObject({ code: 0 });
  });

  it('ends at once at a second signal, while a guest takes its time', async () => {
    site.commit('Back', { [WEB]: manifest('t01', 'web-1') });
    const running = await startOperator();
    await waitFor('the VM', () => isRunning('web-1'), { timeoutMs: 30_000 });
    site.simulator.host('t01').host.ignoreShutdown('web-1');
    site.commit('Off', { [WEB]: manifest('t01', 'web-1').replace('memoryGb', 'power: off, memoryGb') });
    let asked = false;
    site.simulator.host('t01').host.intercept = (_, name) => {
      asked ||= name === 'domainShutdownFlags';
      return 'pass';
    };
    await waitFor('the step', () => asked, { timeoutMs: 30_000 });
    running.child.kill('SIGINT');
    await running.says('once more ends at once');
    running.child.kill('SIGINT');
    // npm passes a Ctrl-C on that the terminal has sent already: too soon to be a second one.
    await waitFor(
      'the end',
      () => {
        running.child.kill('SIGINT');
        return running.child.exitCode !== null;
      },
      { timeoutMs: 30_000 },
    );
    expect(await running.finished).toMatchObject({ code: 130 });
    expect(isRunning('web-1')).toBe(true);
  });

  it('says for what a snapshot waits that was asked for, and ends when the time is up', async () => {
    site.commit('Back once more', { [WEB]: manifest('t01', 'web-1') });
    const running = await startOperator();
    site.commit('Gone', { [WEB]: undefined });
    const isHeld = async () => (await site.run(['status'])).stdout.includes('remove of web-1');
    await waitFor('the removal to be held', isHeld, { timeoutMs: 30_000 });
    const { code, stdout, stderr } = await site.run(['snapshot', 'web-1', 'create', 'now', '--timeout', '5']);
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: expect.stringMatching(
        /^create now of web-1 is not done within 5 s: git declares no VM at all\nit stays asked for/,
      ),
    });
    expect(stderr).toMatch(/asked the running operator\nit waits: git declares no VM at all/);
    await end(running);
  });
});
