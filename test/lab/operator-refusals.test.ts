import { describe, expect, it } from 'vitest';
import { GUIDE_DELETE } from '../core/guide.ts';
import { labAvailable } from './available.ts';
import { type HostEvents, listenTo } from './host-events.ts';
import { disorder, onlyOne, type SeenHost, type SeenVm } from './host-view.ts';
import { declare, undeclare } from './manifest-edits.ts';
import { BASE_IMAGE, type Site, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const LEGACY_DISK = 'legacy.qcow2';
const LEGACY = `<domain type='qemu'><name>legacy</name><memory unit='MiB'>96</memory><vcpu>2</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
    <source file='/data01/primary/${LEGACY_DISK}'/><target dev='vda' bus='virtio'/></disk></devices></domain>`;
/** Volumes that are nobody's by any mark. */
const NOT_OURS = [BASE_IMAGE, LEGACY_DISK];

describe.skipIf(!labAvailable().ok)(
  'what is refused or held, each test going on where the last one ended',
  () => {
    const site = useSite((remote) => {
      // One VM boots, for the others it does not matter.
      remote.replace('cluster.yaml', 'power: on', 'power: off');
      remote.replace('manifests/web.yaml', 'memoryGb: 0.25', 'memoryGb: 0.25\n      power: on');
    });
    let inForce: string;
    let legacy: SeenVm;
    let legacyEvents: HostEvents;

    it('1: the first commit leaves the unmanaged VM alone', async () => {
      const { lab, remote, start, applied, look } = site();
      const host = lab.host('t02');
      await host.virsh('vol-create-as', 'default', LEGACY_DISK, '1M', '--format', 'qcow2');
      await host.define(LEGACY);
      await host.virsh('start', 'legacy');
      legacy = onlyOne(await look(), 'legacy');
      legacyEvents = await listenTo(lab, host);
      inForce = await remote.push('First machines');
      await start();
      const { summary } = await applied(inForce);
      expect(summary.done).toEqual({ create: 6, start: 1 });
      expect(onlyOne(await look(), 'legacy')).toEqual(legacy);
    });

    it('2: a commit over capacity is refused with the numbers, and touches nothing', async () => {
      const { lab, remote, noteOf, look, cli } = site();
      const before = await look();
      const events = await Promise.all(lab.hosts.map((host) => listenTo(lab, host)));
      declare(remote, 'big.yaml', [
        { host: 't01', name: 'small', address: 1 },
        { host: 't01', name: 'big', address: 2, memoryGb: 4096, power: 'on' },
      ]);
      const sha = await remote.push('Too much');
      const { text, summary } = await noteOf(sha, (note) => note.summary.status === 'refused');
      expect(text).toMatch(/^refused: nothing was touched\n/);
      expect(text).toMatch(
        /^ {2}manifests\/big\.yaml:\d+: host t01 has no room: memory 4096\.25 GiB wanted, [\d.]+ GiB to give, 0\.25 GiB used now \(the host has [\d.]+ GiB\)$/m,
      );
      expect(summary).toMatchObject({ done: {}, issues: 1, inForce });
      await passEnded(site());
      expect(await look()).toEqual(before);
      expect(events.flatMap(({ seen }) => seen)).toEqual([]);
      for (const one of events) one.close();
      const status = await cli('status');
      expect(status.code).toBe(1);
      expect(status.stdout).toContain(`in force: ${inForce.slice(0, 12)}`);
    });

    it('3: a broken manifest is refused with file:line:column, and what is in force is still healed', async () => {
      const { lab, remote, noteOf, applied, look } = site();
      remote.remove('manifests/big.yaml');
      remote.write('manifests/tdh.json', GUIDE_DELETE);
      const sha = await remote.push('A comma is missing');
      const { text, summary } = await noteOf(sha, (note) => note.summary.status === 'refused');
      expect(text).toContain(
        '\n  manifests/tdh.json:7:47: missing "," after "TDH Datanode" (before "hostname")\n',
      );
      expect(summary).toMatchObject({ done: {}, issues: 1, inForce });

      await lab.host('t01').virsh('destroy', 'web-1');
      const healed = async () => onlyOne(await look(), 'web-1').running;
      await waitFor('web-1 to run again', healed, { timeoutMs: 30_000 });
      const { text: log } = await noteOf(inForce, (note) => note.summary.done['start'] === 2);
      expect(log).toMatch(/\nsince then:\n.*started web-1 on t01 \(shut off, and power is on in git\)\n/);

      remote.remove('manifests/tdh.json');
      await applied(await remote.push('Without it'));
      for (const commit of await remote.commits()) expect(await remote.note(commit)).toBeDefined();
    });

    it('4: an unmanaged VM counts, and a VM of its name is held', async () => {
      const { remote, noteOf, applied, look, cli } = site();
      const { code, stdout } = await cli('capacity', '--json');
      expect(code).toBe(0);
      const { hosts }: { hosts: { host: string }[] } = JSON.parse(stdout);
      expect(hosts.find(({ host }) => host === 't02')).toMatchObject({
        strangers: ['legacy'],
        vcpus: { used: 2, wanted: 2 },
        memoryMiB: { used: 96, wanted: 96 },
      });
      declare(remote, 'legacy.yaml', [{ host: 't02', name: 'legacy', address: 3, power: 'on' }]);
      const sha = await remote.push('The same name');
      const { text } = await noteOf(sha, (note) => note.summary.status === 'partial');
      expect(text).toMatch(/legacy on t02 .*not ours/);
      expect(onlyOne(await look(), 'legacy')).toEqual(legacy);
      await applied(await remote.revert(sha));
    });

    it('5: the removal of a protected VM waits for its confirmation', async () => {
      const { remote, look } = site();
      undeclare(remote, 'db.json', ['db-1']);
      const held = await expectHeld(site(), await remote.push('Without db-1'), ['db-1']);
      expect(held.text).toMatch(/db-1 on t01 .*protect: true/);
      await confirm(site(), held);
      expect(onlyOne(await look(), 'db-1').mark?.state).toBe('tombstone');
    });

    it('6: more removals than policy.maxRemovals wait for their confirmation', async () => {
      const { remote, look } = site();
      remote.replace('cluster.yaml', 'maxRemovals: 5', 'maxRemovals: 1');
      const web = remote.read('manifests/web.yaml');
      remote.write('manifests/web.yaml', web.slice(0, web.indexOf('- host: t02')));
      const held = await expectHeld(site(), await remote.push('Only web-1'), ['web-2', 'web-3']);
      expect(held.text).toContain('2 VMs at once, and policy.maxRemovals is 1');
      await confirm(site(), held);
      for (const name of ['web-2', 'web-3']) {
        expect(onlyOne(await look(), name)).toMatchObject({ running: false, mark: { state: 'tombstone' } });
      }
    });

    it('7: an empty set of manifests removes nothing until it is confirmed, and the unmanaged VM never', async () => {
      const { remote, look, cli } = site();
      remote.remove('manifests');
      const held = await expectHeld(site(), await remote.push('Nothing at all'), [
        'cache-1',
        'db-2',
        'web-1',
      ]);
      expect(held.text).toContain('git declares no VM at all');
      expect(await cli('confirm', '000000000000')).toMatchObject({ code: 1 });
      expect(await cli('confirm', 'everything')).toMatchObject({ code: 1 });
      await passEnded(site());
      expect(states(await look())).toMatchObject({ 'cache-1': 'ready', 'db-2': 'ready', 'web-1': 'ready' });
      await confirm(site(), held);
      const hosts = await look();
      expect(Object.values(states(hosts)).filter((state) => state === 'tombstone')).toHaveLength(6);
      expect(disorder(hosts, NOT_OURS)).toEqual([]);
      expect(onlyOne(hosts, 'legacy')).toEqual(legacy);
    });

    it('8: a purge by hand deletes exactly the volumes of that VM', async () => {
      const { lab, look, cli } = site();
      // Named as its second disk would be, but the VM has only one.
      await lab.host('t02').virsh('vol-create-as', 'default', 'web-2-vdb.qcow2', '1M', '--format', 'qcow2');
      const before = await look();
      expect(await cli('purge', 'web-2')).toMatchObject({ code: 1 });
      expect(await cli('purge', 'legacy', '--yes')).toMatchObject({ code: 1 });
      expect(await look()).toEqual(before);

      const purged = await cli('purge', 'web-2', '--yes');
      expect(purged).toMatchObject({ code: 0 });
      expect(purged.stdout).toContain('\n  default/web-2-vda.qcow2\n');
      const isGone = async () => !('web-2' in states(await look()));
      await waitFor('web-2 to be gone', isGone, { timeoutMs: 30_000 });
      const without = before.map((host) => ({
        ...host,
        vms: host.vms.filter(({ name }) => name !== 'web-2'),
        files: host.files.filter((file) => file !== 'web-2-vda.qcow2'),
      }));
      expect(await look()).toEqual(without);
    });

    it('9: a removed VM whose date has come is purged by itself', async () => {
      const { remote, applied, noteOf, look } = site();
      remote.replace('cluster.yaml', 'tombstoneDays: 7', 'tombstoneDays: 0');
      declare(remote, 'brief.yaml', [
        { host: 't03', name: 'stays', address: 4, dataDisks: 1 },
        { host: 't03', name: 'brief', address: 5, dataDisks: 1 },
      ]);
      await applied(await remote.push('Two'));
      declare(remote, 'brief.yaml', [{ host: 't03', name: 'stays', address: 4, dataDisks: 1 }]);
      const held = await expectHeld(site(), await remote.push('One'), ['brief']);
      expect(held.text).toContain('policy.tombstoneDays is 0');
      await confirm(site(), held);
      const { summary } = await noteOf(held.sha, (note) => note.summary.done['purge'] === 1);
      expect(summary).toMatchObject({ status: 'applied', done: { remove: 1, purge: 1 } });
      const hosts = await look();
      expect(states(hosts)).toMatchObject({ stays: 'ready', 'web-3': 'tombstone' });
      expect(states(hosts)).not.toHaveProperty('brief');
      expect(disorder(hosts, [...NOT_OURS, 'web-2-vdb.qcow2'])).toEqual([]);
    });

    it('10: a suspended host is left alone until it is resumed, and then does what waited', async () => {
      const { lab, remote, noteOf, applied, look, cli } = site();
      expect(await cli('suspend', 't03', '--reason', 'new disks', '--for', '1h')).toMatchObject({ code: 0 });
      const before = await look();
      const events = await listenTo(lab, lab.host('t03'));
      declare(remote, 'brief.yaml', [
        { host: 't03', name: 'stays', address: 4, dataDisks: 1 },
        { host: 't03', name: 'later', address: 6 },
      ]);
      const sha = await remote.push('While somebody works on t03');
      const { text } = await noteOf(sha, (note) => note.summary.status === 'partial');
      expect(text).toMatch(
        /held create of later on t03 \(suspended\): suspended by \S+ until [^\n]*: new disks\n/,
      );
      await passEnded(site());
      expect(await look()).toEqual(before);
      expect(events.seen).toEqual([]);
      events.close();
      expect(await cli('resume', 't03')).toMatchObject({ code: 0 });
      expect((await applied(sha)).text).toMatch(/\norders:\n.* resumed t03\n/);
      expect(states(await look())).toMatchObject({ later: 'ready', stays: 'ready' });
    });

    it('11: in all that, every commit got its note and the unmanaged VM no event', async () => {
      const { remote, operator, look } = site();
      const commits = await remote.commits();
      expect((await remote.log()).match(/^Notes \(kvm-gitops\):$/gm)).toHaveLength(commits.length);
      expect(legacyEvents.seen.filter(({ vm }) => vm === 'legacy')).toEqual([]);
      legacyEvents.close();
      expect(onlyOne(await look(), 'legacy')).toEqual(legacy);
      expect(await operator.stop()).toBe(0);
    });
  },
);

interface HeldCommit {
  readonly sha: string;
  readonly text: string;
  readonly hash: string;
}

/** The commit's removals are held with a hash, and those VMs are as they were. */
async function expectHeld({ noteOf, look }: Site, sha: string, vms: readonly string[]): Promise<HeldCommit> {
  const { text, summary } = await noteOf(sha, (note) => note.summary.confirmation !== undefined);
  expect(summary).toMatchObject({ status: 'partial', held: vms.length, done: {} });
  const hash = summary.confirmation ?? '';
  expect(text).toContain(`kvm-gitops confirm ${hash}`);
  expect(states(await look())).toMatchObject(Object.fromEntries(vms.map((name) => [name, 'ready'])));
  return { sha, text, hash };
}

async function confirm({ cli, applied }: Site, { sha, hash }: HeldCommit): Promise<void> {
  expect(await cli('confirm', hash)).toMatchObject({ code: 0 });
  await applied(sha);
}

/** Of every VM that is ours. */
function states(hosts: readonly SeenHost[]): Record<string, string> {
  return Object.fromEntries(
    hosts.flatMap(({ vms }) => vms.flatMap(({ name, mark }) => (mark ? [[name, mark.state]] : []))),
  );
}

/** A refused commit is followed by a pass for the one in force: that has ended too. */
async function passEnded({ operator }: Site): Promise<void> {
  await waitFor('the pass to end', async () => !(await operator.status()).running, { timeoutMs: 30_000 });
}
