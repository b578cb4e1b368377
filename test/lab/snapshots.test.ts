import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROGRAM } from '../program.ts';
import { labAvailable } from './available.ts';
import { diskHas, writeToDisk } from './guest-disk.ts';
import { onlyOne } from './host-view.ts';
import { declare } from './manifest-edits.ts';
import { BASE_IMAGE, hasBooted, useSite, WEBHOOK_SECRET } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const SOON = { timeoutMs: 60_000 };

describe.skipIf(!labAvailable().ok)('snapshots, each test going on where the last one ended', () => {
  const site = useSite((remote) => {
    for (const file of ['web.yaml', 'db.json']) remote.remove(`manifests/${file}`);
    declare(remote, 'snap.yaml', [{ host: 't01', name: 'snap', address: 1, power: 'on', dataDisks: 1 }]);
  });
  const host = () => site().lab.host('t01');
  let base = '';

  const baseHash = () =>
    createHash('sha256')
      .update(readFileSync(join(host().poolDir, BASE_IMAGE)))
      .digest('hex');

  async function seen() {
    return onlyOne(await site().look(), 'snap');
  }

  /** The volume that a disk writes to by now. */
  async function volumeOf(target: 'vda' | 'vdb'): Promise<string> {
    const { xml } = await seen();
    const disk = xml.split('<disk ').find((part) => part.includes(`<target dev='${target}'`));
    const file = disk?.match(/<source file='[^']*\/([^']*)'/)?.[1];
    if (file === undefined) throw new Error(`no file for ${target} in ${xml}`);
    return file;
  }

  const has = async (target: 'vda' | 'vdb') => diskHas(host(), await volumeOf(target));
  const write = async (target: 'vda' | 'vdb') => writeToDisk(host(), 'snap', await volumeOf(target));

  async function command(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await site().cli('snapshot', 'snap', ...args);
    expect({ code, stderr: code === 0 ? '' : stderr, stdout: code === 0 ? '' : stdout }).toEqual({
      code: 0,
      stderr: '',
      stdout: '',
    });
    return stdout;
  }

  async function files(): Promise<readonly string[]> {
    const [t01] = await site().look();
    return (t01?.files ?? []).filter((file) => file !== BASE_IMAGE);
  }

  const isOn = async () => (await seen()).running;

  it('1: is taken of a VM that runs, by the operator that runs, asked by command', async () => {
    const { remote, start, applied } = site();
    base = baseHash();
    const first = await remote.push('One machine');
    await start();
    await applied(first);
    await hasBooted(site(), await seen(), 1);
    await write('vda');
    expect(await command('create', 'clean')).toBe('clean of snap is taken\n');
    expect(await volumeOf('vda')).toBe('snap-vda.clean.qcow2');
    expect(await isOn()).toBe(true);
    await write('vdb');
    expect(await command('list')).toMatch(
      /snap on t01: 2 files deep\n {2}clean +\S+ \S+Z +by command +ready +vda vdb/,
    );
  });

  it('2: is gone back to: what was written before is there, what was written since is not', async () => {
    expect((await site().cli('snapshot', 'snap', 'revert', 'clean', '--yes')).stderr).toContain(
      'it runs: shut it off, or add --stop',
    );
    const told = await command('revert', 'clean', '--stop', '--yes');
    expect(told).toContain('what was written since is lost for good');
    await waitFor('the operator to start it', isOn, SOON);
    expect({ vda: await has('vda'), vdb: await has('vdb') }).toEqual({ vda: true, vdb: false });
    expect(await files()).toEqual([
      'snap-vda.clean-2.qcow2',
      'snap-vda.qcow2',
      'snap-vdb.clean-2.qcow2',
      'snap-vdb.qcow2',
    ]);
    await hasBooted(site(), await seen(), 2);
  });

  it('3: are merged while the VM runs, the older one first, and all that was written is there', async () => {
    await command('create', 'second');
    await write('vdb');
    await command('delete', 'clean');
    expect({ vda: await has('vda'), vdb: await has('vdb') }).toEqual({ vda: true, vdb: true });
    await command('delete', 'second');
    expect(await isOn()).toBe(true);
    expect(await files()).toEqual(['snap-vda.qcow2', 'snap-vdb.qcow2']);
    expect([await volumeOf('vda'), await volumeOf('vdb')]).toEqual(['snap-vda.qcow2', 'snap-vdb.qcow2']);
    expect({ vda: await has('vda'), vdb: await has('vdb') }).toEqual({ vda: true, vdb: true });
    expect((await seen()).mark?.snapshots).toBeUndefined();
  });

  it('4: is taken and merged as git declares it, while the VM is off', async () => {
    const { remote, applied } = site();
    remote.replace('manifests/snap.yaml', 'power: on', 'power: off, snapshots: [declared]');
    const { summary } = await applied(await remote.push('Off, and a snapshot'));
    expect(summary.done).toEqual({ stop: 1, autostart: 1, snapshot: 1 });
    expect(await volumeOf('vda')).toBe('snap-vda.declared.qcow2');
    remote.replace('manifests/snap.yaml', ', snapshots: [declared]', '');
    expect((await applied(await remote.push('No snapshot'))).summary.done).toEqual({ merge: 1 });
    expect(await files()).toEqual(['snap-vda.qcow2', 'snap-vdb.qcow2']);
    expect(await isOn()).toBe(false);
  });

  it('5: converges when the command that does it alone is killed at any moment', async () => {
    const { operator, start, cli, config } = site();
    await operator.stop();
    for (const [action, name] of [
      ['create', 'a'],
      ['delete', 'a'],
      ['create', 'b'],
      ['create', 'c'],
      ['revert', 'b'],
      ['delete', 'b'],
    ] as const) {
      const args = [
        'snapshot',
        'snap',
        action,
        name,
        ...(action === 'revert' ? ['--yes', '--discard-newer'] : []),
      ];
      const before = JSON.stringify((await seen()).mark?.snapshots);
      const child = spawn(PROGRAM[0], [PROGRAM[1], '--config', config, ...args], {
        env: { ...process.env, WEBHOOK_SECRET },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
      const ended = once(child, 'close');
      const changed = async () =>
        child.exitCode !== null || JSON.stringify((await seen()).mark?.snapshots) !== before;
      await waitFor(`the mark to change by ${action} ${name}`, changed, SOON);
      if ((child.exitCode ?? 0) !== 0) throw new Error(`${action} ${name} failed: ${said}`);
      child.kill('SIGKILL');
      await ended;
      const pass = await cli('reconcile', '--once');
      expect(pass.stdout).toContain('applied: the hosts are as this commit wants them');
      const states = (await seen()).mark?.snapshots?.map((snapshot) => `${snapshot.name} ${snapshot.state}`);
      expect({ action, name, states: states ?? [] }).toEqual({
        action,
        name,
        states: AFTER[`${action} ${name}`],
      });
      expect(await isOn()).toBe(false);
    }
    expect(await files()).toEqual(['snap-vda.qcow2', 'snap-vdb.qcow2']);
    expect({ vda: await has('vda'), vdb: await has('vdb') }).toEqual({ vda: true, vdb: true });
    await start();
  });

  it('6: go with their VM when it is purged, and the base image was never touched', async () => {
    const { remote, applied, cli } = site();
    await command('create', 'last');
    remote.remove('manifests/snap.yaml');
    declare(remote, 'other.yaml', [{ host: 't02', name: 'other', address: 2 }]);
    await applied(await remote.push('No machine'));
    expect(await files()).toHaveLength(4);
    expect((await cli('purge', 'snap', '--yes')).code).toBe(0);
    const isGone = async () => (await files()).length === 0;
    await waitFor('its files to go', isGone, SOON);
    expect(baseHash()).toBe(base);
  });
});

const AFTER: Readonly<Record<string, readonly string[]>> = {
  'create a': ['a ready'],
  'delete a': [],
  'create b': ['b ready'],
  'create c': ['b ready', 'c ready'],
  'revert b': ['b ready'],
  'delete b': [],
};
