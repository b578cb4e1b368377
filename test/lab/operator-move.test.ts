import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { run } from './command.ts';
import { counted } from './guest-console.ts';
import type { LabHost } from './host.ts';
import { disorder, onlyOne, type SeenHost } from './host-view.ts';
import { declare, type SmallVm } from './manifest-edits.ts';
import type { CommitNote } from './manifests-remote.ts';
import { BASE_IMAGE, hasBooted, type Site, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const DISK = 'mover-vdb.qcow2';
/** Of the data disk: random, so that nothing of it is a hole. */
const DATA_MIB = 128;
/** So slow that there is a middle of it. */
const SLOW_MIBS = 32;
const WAIT = { timeoutMs: 120_000, intervalMs: 20 };

describe.skipIf(!labAvailable().ok)('moving a VM, each test going on where the last one ended', () => {
  const site = useSite(
    (remote) => {
      for (const file of ['web.yaml', 'db.json']) remote.remove(`manifests/${file}`);
      remote.replace('cluster.yaml', '  t03:\n    state: active\n', '  t02:\n');
      remote.replace('cluster.yaml', '  t02:\n  t02:\n', '  t02:\n');
      const cluster = remote.read('cluster.yaml');
      remote.write('cluster.yaml', `${cluster}\nmigration: { bandwidthMiBs: ${SLOW_MIBS} }\n`);
      placeOn(remote, 't01');
    },
    { hosts: 2 },
  );
  let content = '';

  it('1: takes a VM that runs to another host, with the content of its disks', async () => {
    const { lab, remote, start, look } = site();
    await start();
    await done(await remote.push('One machine'));
    await fillDisk(lab.host('t01'));
    content = await contentOf(lab.host('t01'));
    const sha = await push('t02');
    await waitFor('its progress', async () => (await copied(site())) !== undefined, WAIT);
    const { text } = await done(sha);
    expect(text).toMatch(/t02 {2}received mover/);
    expect(await isOn('t02', 't01')).toBe(true);
    const seen = (await look()).flatMap(({ vms }) => vms).find(({ host }) => host === 't02');
    if (seen !== undefined) await hasBooted(site(), seen, 2);
  });

  it('2: goes on, not from the beginning, where its cable was out in the middle of a copy', async () => {
    const { lab } = site();
    const sha = await push('t01');
    await untilHalf();
    await lab.host('t01').cut();
    await waitFor('the copy to break', async () => (await copied(site())) === undefined, WAIT);
    const before = await sizeOn(lab.host('t01'));
    await lab.host('t01').heal();
    await waitFor('it to go on', async () => (await copied(site())) !== undefined, WAIT);
    expect(await copied(site())).toBeGreaterThan(20);
    expect(await sizeOn(lab.host('t01'))).toBeGreaterThanOrEqual(before - 64 * 1024 ** 2);
    await done(sha);
    expect(await isOn('t01', 't02')).toBe(true);
  });

  it('3: goes on where the operator was killed in the middle of a copy', async () => {
    const { operator, start } = site();
    const sha = await push('t02');
    await untilHalf();
    await operator.kill();
    await start();
    await done(sha);
    expect(await isOn('t02', 't01')).toBe(true);
  });

  it.each([
    { number: 4, what: 'the host that it goes to', isTarget: true },
    { number: 5, what: 'the host that it comes from', isTarget: false },
  ])('$number: goes on where $what lost its power in the middle of a copy', async ({ isTarget }) => {
    const { lab } = site();
    const from = await whereItRuns();
    const to = other(from);
    const sha = await push(to);
    await untilHalf();
    const victim = lab.host(isTarget ? to : from);
    await victim.crash();
    await victim.boot();
    await done(sha);
    expect(await isOn(to, from)).toBe(true);
  });

  it('6: gives a copy up for a newer commit that takes the move back', async () => {
    const from = await whereItRuns();
    await push(other(from));
    await untilHalf();
    const sha = await push(from);
    const { summary } = await done(sha);
    expect(summary.failed).toBe(0);
    expect(await whereItRuns()).toBe(from);
    expect(disorder(await site().look(), [BASE_IMAGE])).toEqual([]);
  });

  it('7: brings a removed VM back under another host, with its disks', async () => {
    const { remote } = site();
    const from = await whereItRuns();
    const to = other(from);
    declare(remote, 'other.yaml', [{ host: from, name: 'other', address: 61 }]);
    remote.remove('manifests/mover.yaml');
    await done(await remote.push('It goes'));
    expect(running(await site().look())).toEqual([]);
    await done(await push(to));
    expect(await isOn(to, from)).toBe(true);
  });

  it('8: refuses a move that cannot be, and touches nothing', async () => {
    const { noteOf, remote, look } = site();
    const from = await whereItRuns();
    const before = running(await look());
    placeOn(remote, other(from), 'pool: elsewhere');
    const sha = await remote.push('To a pool that is not there');
    const { text } = await noteOf(sha, (note) => note.text.includes('held'));
    expect(text).toMatch(/held move of mover on t0\d \(conflict\): t0\d has no storage pool elsewhere/);
    expect(running(await look())).toEqual(before);
  });

  it('9: takes over a VM that runs: its guest counts on, and its disks are the same', async () => {
    const from = await whereItRuns();
    const before = await count(from);
    const { text } = await done(await pushLive(other(from)));
    expect(text).toMatch(/took over mover/);
    expect(await isOn(other(from), from)).toBe(true);
    const after = await count(other(from));
    expect(after.boot).toBe(before.boot);
    expect(after.count).toBeGreaterThan(before.count);
  });

  it('10: has the guest count on where the operator was killed while it moved live', async () => {
    const { operator, start } = site();
    const from = await whereItRuns();
    const before = await count(from);
    const sha = await pushLive(other(from));
    await waitFor('the middle of it', async () => ((await copied(site())) ?? 0) >= 30, WAIT);
    await operator.kill();
    await start();
    await done(sha);
    expect(await isOn(other(from), from)).toBe(true);
    const after = await count(other(from));
    expect(after.boot).toBe(before.boot);
    expect(after.count).toBeGreaterThan(before.count);
  });

  it('11: has the guest count on where it was, when the network between the hosts fails', async () => {
    const { lab } = site();
    const from = await whereItRuns();
    const before = await count(from);
    const sha = await pushLive(other(from));
    await waitFor('the middle of it', async () => ((await copied(site())) ?? 0) >= 30, WAIT);
    await lab.host(other(from)).cut();
    await waitFor('it to break off', async () => (await copied(site())) === undefined, WAIT);
    expect((await count(from)).boot).toBe(before.boot);
    await lab.host(other(from)).heal();
    await done(sha);
    expect(await isOn(other(from), from)).toBe(true);
    expect((await count(other(from))).boot).toBe(before.boot);
  });

  it('12: empties a host by the patch that `drain` writes, and each VM is once on the other one', async () => {
    const { remote, look, cli } = site();
    const target = await whereItRuns();
    const host = other(target);
    const fleet: SmallVm[] = [
      { host, name: 'one', address: 62 },
      { host, name: 'two', address: 63 },
      { host, name: 'three', address: 64 },
      { host, name: 'four', address: 65, power: 'on' },
    ];
    declare(remote, 'fleet.yaml', fleet);
    await done(await push(target));
    await hasBooted(site(), onlyOne(await look(), 'four'), 1);
    const { stdout: patch } = await cli('drain', host);
    expect((await done(await merged(`Drain ${host}`, patch))).summary.failed).toBe(0);
    const hosts = await look();
    const on = (name: string) => hosts.find((seen) => seen.name === name)?.vms ?? [];
    expect(on(host).map(({ mark, running: runs }) => mark?.state ?? runs)).toEqual(
      on(host).map(() => 'tombstone'),
    );
    for (const { name } of fleet) {
      expect(on(host).find((vm) => vm.name === name)?.mark?.removed?.movedTo).toBe(target);
      const moved = on(target).find((vm) => vm.name === name);
      expect([moved?.mark?.state, moved?.running]).toEqual(['ready', name === 'four']);
    }
    expect(disorder(hosts, [BASE_IMAGE])).toEqual([]);
  });

  it('13: evens hosts out by the patch that `rebalance` writes, as it said', async () => {
    const { cli, look } = site();
    const json = async (...command: readonly string[]) =>
      JSON.parse((await cli(...command, '--json')).stdout);
    const rebalance = ['rebalance', '--max', '1', '--min-gain', '0.1'];
    const { before, after, moves, patch } = await json(...rebalance);
    expect(moves).toHaveLength(1);
    expect(after.spread).toBeLessThan(before.spread);
    await done(await merged('Even out', patch));
    const { hosts } = await json('capacity');
    expect(hosts).toMatchObject([{ memoryMiB: { used: 256 } }, { memoryMiB: { used: 256 } }]);
    expect((await json(...rebalance)).before).toEqual(after);
    expect(running(await look())).toEqual(['t01', 't02']);
    expect(disorder(await look(), [BASE_IMAGE])).toEqual([]);
  });

  function count(host: string): Promise<{ readonly count: number; readonly boot: string }> {
    const look = async () => (await counted(site().lab.host(host), 'mover')) ?? false;
    return waitFor('the guest to count', look, WAIT);
  }

  function pushLive(host: string): Promise<string> {
    placeOn(site().remote, host, 'migration: live');
    return site().remote.push(`It goes on on ${host}`);
  }

  /** Pushes a patch. */
  async function merged(subject: string, patch: string): Promise<string> {
    const { remote } = site();
    const file = join(remote.clone, '..', 'proposed.patch');
    writeFileSync(file, patch);
    await run(['git', '-C', remote.clone, 'apply', file]);
    return remote.push(subject);
  }

  /** A copy takes its time, the more where others are at work beside it. */
  function done(sha: string): Promise<CommitNote> {
    const look = async () => {
      const note = await site().remote.note(sha);
      return note?.summary.status === 'applied' && note;
    };
    return waitFor(`the note of ${sha}`, look, WAIT);
  }

  async function push(host: string): Promise<string> {
    placeOn(site().remote, host);
    return site().remote.push(`It is on ${host}`);
  }

  async function whereItRuns(): Promise<string> {
    return running(await site().look())[0] ?? '';
  }

  async function untilHalf(): Promise<void> {
    await waitFor('the middle of a copy', async () => ((await copied(site())) ?? 0) >= 50, WAIT);
  }

  async function isOn(host: string, old: string): Promise<boolean> {
    const hosts = await site().look();
    expect(running(hosts)).toEqual([host]);
    expect(disorder(hosts, [BASE_IMAGE])).toEqual([]);
    const left = hosts.find(({ name }) => name === old)?.vms.find(({ name }) => name === 'mover');
    expect(left?.mark?.removed?.movedTo).toBe(host);
    return (await contentOf(site().lab.host(host))) === content;
  }
});

function placeOn(remote: Site['remote'], host: string, more = ''): void {
  declare(remote, 'mover.yaml', [{ host, name: 'mover', address: 60, dataDisks: 1, power: 'on' }]);
  if (more !== '') remote.replace('manifests/mover.yaml', 'power: on', `power: on, ${more}`);
}

function other(host: string): string {
  return host === 't01' ? 't02' : 't01';
}

function running(hosts: readonly SeenHost[]): string[] {
  return hosts.flatMap(({ name, vms }) => (vms.some((vm) => vm.running) ? [name] : []));
}

/** How much of the data disk, or of all that goes over live, is copied, in per cent; undefined: nothing is. */
async function copied({ operator }: Site): Promise<number | undefined> {
  const { work = [] } = await operator.status();
  const progress = work.find(({ kind }) => kind === 'receive' || kind === 'migrate')?.progress;
  const percent = /^copying (?:vdb|the running VM): (\d+) %/.exec(progress ?? '')?.[1];
  return percent === undefined ? undefined : Number(percent);
}

/** Through its own QEMU, as the guest would; `qemu-io` has no random bytes, so it reads a file. */
async function fillDisk(host: LabHost): Promise<void> {
  await host.exec(['sh', '-c', `head -c ${DATA_MIB}M /dev/urandom > ${host.stateDirInside}/noise`]);
  const info = await host.virsh('qemu-monitor-command', 'mover', '--hmp', 'info block');
  const device = info.split(`/${DISK} `)[1]?.match(/Attached to: +(\S+)/)?.[1] ?? '';
  for (const command of [`write -s ${host.stateDirInside}/noise 0 ${DATA_MIB}M`, 'flush'])
    await host.virsh('qemu-monitor-command', 'mover', '--hmp', `qemu-io -d ${device} "${command}"`);
}

/** A hash of what the guest sees of the data disk. */
async function contentOf(host: LabHost): Promise<string> {
  const read =
    'f=$(mktemp) && qemu-img convert -U -f qcow2 -O raw "$0" "$f" && head -c 128M "$f" | sha256sum; rm -f "$f"';
  return (await host.exec(['sh', '-c', read, `/data01/primary/${DISK}`])).trim();
}

async function sizeOn(host: LabHost): Promise<number> {
  return Number((await host.exec(['stat', '-c', '%s', `/data01/primary/${DISK}`])).trim());
}
