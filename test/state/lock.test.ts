import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lockState } from '../../src/state/lock.ts';

const LOCK_MODULE = new URL('../../src/state/lock.ts', import.meta.url).href;

function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-lock-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Another process that tries to take the lock, says how it went, and stays. */
async function contender(dir: string): Promise<{ child: ChildProcess; said: string }> {
  const script = `import(${JSON.stringify(LOCK_MODULE)})
    .then(({ lockState }) => lockState(${JSON.stringify(dir)}))
    .then(() => console.log('locked'), (error) => console.log(error.code, error.message));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const said = await new Promise<string>((resolve) => {
    child.stdout?.once('data', (data: Buffer) => resolve(data.toString().trim()));
  });
  return { child, said };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

/** What stands in the lock, with changes. */
function rewrite(dir: string, change: Record<string, unknown>): void {
  const path = join(dir, 'operator.lock');
  const holder: unknown = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...Object(holder), ...change }));
}

describe('lockState', () => {
  it('keeps a second operator out and names the first', { timeout: 20_000 }, async () => {
    const dir = tempDir();
    const { child, said } = await contender(dir);
    expect(said).toBe('locked');
    await expect(lockState(dir)).rejects.toMatchObject({
      code: 'E_STATE_LOCKED',
      message: expect.stringContaining(`process ${child.pid}`),
    });
  });

  it('takes over from a process that was killed', { timeout: 20_000 }, async () => {
    const dir = tempDir();
    const { child } = await contender(dir);
    await kill(child);
    await expect(lockState(dir)).resolves.toBeDefined();
  });

  it('lets one of several newcomers take a dead one over', { timeout: 60_000 }, async () => {
    const dir = tempDir();
    const { child } = await contender(dir);
    await kill(child);
    const said = await Promise.all(Array.from({ length: 4 }, async () => (await contender(dir)).said));
    expect(said.filter((words) => words === 'locked')).toHaveLength(1);
    expect(said.filter((words) => words.startsWith('E_STATE_LOCKED'))).toHaveLength(3);
  });

  it('leaves nothing behind when it is released, and can be taken again', async () => {
    const dir = join(tempDir(), 'state');
    const lock = await lockState(dir);
    await expect(lockState(dir)).rejects.toMatchObject({ code: 'E_STATE_LOCKED' });
    await lock.release();
    expect(readdirSync(dir)).toEqual([]);
    await (await lockState(dir)).release();
  });

  it('does not release what another took over', async () => {
    const dir = tempDir();
    const lock = await lockState(dir);
    rewrite(dir, { pid: 1 });
    await lock.release();
    expect(existsSync(join(dir, 'operator.lock'))).toBe(true);
  });

  it.each([
    ['a number that another process has now', { started: '1' }],
    ['an earlier boot of this machine', { boot: 'another' }],
  ])('takes over a lock with %s', async (_name, change) => {
    const dir = tempDir();
    await lockState(dir);
    rewrite(dir, change);
    await expect(lockState(dir)).resolves.toBeDefined();
  });

  it.each([
    ['another container', { pidNamespace: 'pid:[1]', host: 'pod-b' }],
    ['another machine', { boot: 'another', host: 'other' }],
  ])('believes the lock of %s until it has been silent for a minute', async (_name, change) => {
    const dir = tempDir();
    await lockState(dir);
    rewrite(dir, change);
    await expect(lockState(dir)).rejects.toThrow(change.host);
    const silentSince = new Date(Date.now() - 61_000);
    utimesSync(join(dir, 'operator.lock'), silentSince, silentSince);
    await (await lockState(dir)).release();
  });

  it.each(['', 'garbage', '{"pid":"x"}', '{"pid":-1,"host":"a"}'])(
    'takes over a lock file that says %j',
    async (content) => {
      const dir = tempDir();
      writeFileSync(join(dir, 'operator.lock'), content);
      await expect(lockState(dir)).resolves.toBeDefined();
    },
  );
});
