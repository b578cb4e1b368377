import { describe, expect, it } from 'vitest';
import { labAvailable } from './available.ts';
import { diskHas, writeToDisk } from './guest-disk.ts';
import { type HostEvents, listenTo, type SeenEvent } from './host-events.ts';
import { disorder, onlyOne, type SeenVm } from './host-view.ts';
import type { Lab } from './lab.ts';
import { declare, undeclare } from './manifest-edits.ts';
import { BASE_IMAGE, hasBooted, useSite } from './operator-fixture.ts';
import { waitFor } from './wait.ts';

const SOON = { timeoutMs: 60_000 };
const TEMPLATE_VMS = ['cache-1', 'db-1', 'db-2', 'web-1', 'web-2', 'web-3'];
/** How many times as long as a plain start it may take, however busy the machine is; a poll is a minute away. */
const HEAL_LIMIT = 3;

describe.skipIf(!labAvailable().ok)(
  'VMs from commit to commit, each test going on where the last one ended',
  () => {
    const site = useSite();
    let addAndRemove: string;
    let before: SeenVm;

    it('1: creates the six VMs of the first commit, and they boot', async () => {
      const { remote, start, applied, look } = site();
      const first = await remote.push('First machines');
      await start();
      const { text, summary } = await applied(first);
      expect(text).toMatch(/^applied: the hosts are as this commit wants them\n/);
      expect(text).toContain('\ncreated 6, started 6\n');
      expect(summary).toMatchObject({ commit: first, done: { create: 6, start: 6 }, failed: 0, held: 0 });
      const vms = (await look()).flatMap((host) => host.vms);
      expect(vms.map(({ name }) => name).toSorted()).toEqual(TEMPLATE_VMS);
      expect(vms.filter((vm) => vm.running && vm.autostart && vm.mark?.state === 'ready')).toHaveLength(6);
      await Promise.all(vms.map((vm) => hasBooted(site(), vm, 1)));
    });

    it('2: adds one VM and removes one, which is kept, shut off, with its disks', async () => {
      const { remote, lab, applied, look } = site();
      before = onlyOne(await look(), 'db-2');
      for (const { name } of before.mark?.volumes ?? []) await writeToDisk(lab.host('t02'), 'db-2', name);
      declare(remote, 'more.yaml', [{ host: 't03', name: 'web-4', address: 14, power: 'on' }]);
      undeclare(remote, 'db.json', ['db-2']);
      addAndRemove = await remote.push('One more, one less');
      const { text, summary } = await applied(addAndRemove);
      expect(summary.done).toEqual({ create: 1, start: 1, remove: 1 });
      expect(text).toMatch(/ {2}t02 {2}removed db-2\n/);

      const hosts = await look();
      const removed = onlyOne(hosts, 'db-2');
      expect(removed).toMatchObject({ host: 't02', uuid: before.uuid, running: false, autostart: false });
      expect(removed.mark).toMatchObject({ state: 'tombstone', removed: { commit: addAndRemove } });
      expect(removed.mark?.volumes).toEqual(before.mark?.volumes);
      expect(disorder(hosts, [BASE_IMAGE])).toEqual([]);
      await hasBooted(site(), onlyOne(hosts, 'web-4'), 1);
    });

    it('3: restores the removed VM by `git revert`, with the same disks, uuid and MAC', async () => {
      const { remote, lab, applied, look } = site();
      const { summary } = await applied(await remote.revert(addAndRemove));
      expect(summary.done).toEqual({ restore: 1, start: 1, remove: 1 });
      const restored = onlyOne(await look(), 'db-2');
      const { host, uuid, macs, mark } = before;
      expect(restored).toMatchObject({ host, uuid, macs, running: true, autostart: true });
      expect(restored.mark).toMatchObject({ state: 'ready', volumes: mark?.volumes });
      expect(mark?.volumes).toHaveLength(2);
      for (const { name } of mark?.volumes ?? []) expect(await diskHas(lab.host('t02'), name)).toBe(true);
      expect(await diskHas(lab.host('t03'), 'web-3-vda.qcow2')).toBe(false);
      await hasBooted(site(), restored, 2);
    });

    it('4: leaves a VM to people where git says so, and does not start it', async () => {
      const { remote, applied, look } = site();
      declare(remote, 'spare.yaml', [{ host: 't01', name: 'spare', address: 31, power: 'manual' }]);
      const { summary } = await applied(await remote.push('A spare machine'));
      expect(summary.done).toEqual({ create: 1 });
      expect(onlyOne(await look(), 'spare').running).toBe(false);
    });

    it.each([
      { how: 'switched off hard', act: 'destroy', vm: 'web-1', event: 'stopped destroyed' },
      { how: 'shut down inside the guest', act: 'shutdown', vm: 'cache-1', event: 'stopped shutdown' },
    ])(
      '5: a VM $how runs again at libvirt’s event, in the time of a plain start',
      async ({ act, vm, event, how }) => {
        const { lab, look, operator } = site();
        const host = lab.host(onlyOne(await look(), vm).host);
        const logged = operator.log().length;
        const events = await listenTo(lab, host);
        try {
          const plainMs = [await startOfSpare(lab)];
          await host.virsh(act, vm);
          const stopped = await heard(events, vm, event);
          const started = await heard(events, vm, 'started booted');
          const healedMs = Math.round(started.atMs - stopped.atMs);
          plainMs.push(await startOfSpare(lab));
          process.stdout.write(
            `a VM ${how} ran again after ${healedMs} ms; a plain start took ${plainMs.join(' and ')} ms\n`,
          );
          expect(healedMs).toBeLessThan(HEAL_LIMIT * Math.max(...plainMs));
          const report = /"trigger":"([^"]*)".*"steps":"started 1"/;
          const trigger = () => report.exec(operator.log().slice(logged))?.[1];
          expect(await waitFor('the end of the pass', trigger, SOON)).toBe('host event');
        } finally {
          events.close();
        }
      },
    );

    it('6: every commit gets a note, also those that came and went in one push or in quick succession', async () => {
      const { remote, applied, noteOf } = site();
      declare(remote, 'one.yaml', [{ host: 't01', name: 'one', address: 41 }]);
      const skipped = await remote.commit('Never on its own');
      declare(remote, 'two.yaml', [{ host: 't02', name: 'two', address: 42 }]);
      await applied(await remote.push('Two at once'));
      const note = await noteOf(skipped, ({ summary }) => summary.status === 'superseded');
      expect(note.text).toMatch(/^superseded: a newer commit took its place\n/);

      for (const number of [51, 52, 53, 54]) {
        declare(remote, `q${number}.yaml`, [{ host: 't03', name: `q${number}`, address: number }]);
        await remote.push(`Quick ${number}`);
      }
      const commits = await remote.commits();
      await applied(commits.at(-1) ?? '');
      for (const sha of commits) await noteOf(sha, ({ summary }) => summary.commit === sha);
      const log = await remote.log();
      expect(log.match(/^Notes \(kvm-gitops\):$/gm)).toHaveLength(commits.length);
      expect(log).toContain('    applied: the hosts are as this commit wants them\n');
    });

    it('7: has left no orphan and no second copy, and goes at SIGTERM with exit code 0', async () => {
      const { operator, look } = site();
      expect(disorder(await look(), [BASE_IMAGE])).toEqual([]);
      expect(await operator.stop()).toBe(0);
    });
  },
);

/** The event, once it has come. */
function heard({ seen }: HostEvents, vm: string, what: string): Promise<SeenEvent> {
  const find = () => seen.find((event) => event.vm === vm && event.what === what);
  return waitFor(`${vm}: ${what}`, find, { ...SOON, intervalMs: 5 });
}

/** How long `virsh start` takes until libvirt tells of it, for a VM that the operator leaves alone; it is off again after. */
async function startOfSpare(lab: Lab): Promise<number> {
  const host = lab.host('t01');
  const events = await listenTo(lab, host);
  try {
    const beganMs = performance.now();
    await host.virsh('start', 'spare');
    const { atMs } = await heard(events, 'spare', 'started booted');
    await host.virsh('destroy', 'spare');
    return Math.round(atMs - beganMs);
  } finally {
    events.close();
  }
}
