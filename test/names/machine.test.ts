import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { localMachine } from '../../src/names/local-machine.ts';
import type { Machine } from '../../src/names/machine.ts';
import { sshMachine } from '../../src/names/ssh-machine.ts';
import { hasSshd, type Sshd, startSshd } from '../hosts/sshd.ts';

const ways = [['this machine', false] as const, ...(hasSshd ? [['one by SSH', true] as const] : [])];

// Each call by SSH starts a process there.
describe.each(ways)('%s', { timeout: 30_000 }, (_, bySsh) => {
  let machine: Machine;
  let sshd: Sshd | undefined;
  const dir = mkdtempSync(join(tmpdir(), 'kg-machine-'));
  const path = join(dir, "it's a file");
  beforeAll(async () => {
    sshd = bySsh ? await startSshd() : undefined;
    machine = sshd === undefined ? localMachine() : sshMachine(sshd.target);
  });
  afterAll(async () => {
    machine.close();
    await sshd?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('puts a file in the place of another, for everybody to read, and leaves nothing else', async () => {
    writeFileSync(path, 'old\n', { mode: 0o600 });
    await machine.replace(path, 'new $HOME `id`\nsecond\n');
    expect(readFileSync(path, 'utf8')).toBe('new $HOME `id`\nsecond\n');
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(readdirSync(dir)).toEqual(["it's a file"]);
  });

  it('puts it there over what an earlier try has left half-done', async () => {
    writeFileSync(join(dir, ".it's a file.new"), 'half a file that is longer than the new one\n');
    await machine.replace(path, 'whole\n');
    expect(readFileSync(path, 'utf8')).toBe('whole\n');
    expect(readdirSync(dir)).toEqual(["it's a file"]);
  });

  it('reads a file, and knows one that is not there', async () => {
    writeFileSync(path, 'grüß\n');
    expect(await machine.read(path)).toBe('grüß\n');
    expect(await machine.read(join(dir, 'nothing'))).toBeUndefined();
  });

  it('lists a folder, and knows what is none', async () => {
    mkdirSync(join(dir, 'more', '.hidden'), { recursive: true });
    expect(await machine.list(join(dir, 'more'))).toEqual(['.hidden']);
    expect(await machine.list(path)).toBeUndefined();
    expect(await machine.list(join(dir, 'nothing'))).toBeUndefined();
  });

  it('says what cannot be written, and why', async () => {
    await expect(machine.replace(join(dir, 'none', 'file'), 'x')).rejects.toMatchObject({
      code: 'E_DNSMASQ',
      message: expect.stringMatching(/none.*No such file|none.*ENOENT/i),
    });
  });

  it('runs a command without a shell and gives what it printed, with its exit code', async () => {
    expect(await machine.run(['printf', '%s', '$HOME;id'])).toMatchObject({ code: 0, stdout: '$HOME;id' });
    expect((await machine.run(['ls', '/nothing/there'])).code).not.toBe(0);
  });
});
