import { beforeEach, describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../../src/core/desired.ts';
import { vmUuid } from '../../../src/core/identity.ts';
import type { ObservedVm } from '../../../src/core/observed.ts';
import type { MergeStep, RevertStep, SnapshotStep, Step } from '../../../src/core/step.ts';
import { imageFile } from '../../../src/simulator/volumes.ts';
import { CLUSTER, desiredState, desiredVm, GIB, NOW } from '../../builders.ts';
import { applyCut, POOL, useBench, volumesOf } from '../bench.ts';

const bench = useBench();
const LATER = new Date(NOW.getTime() + 30 * 24 * 60 * 60 * 1000);
const DISKS = ['default/web-vda.qcow2', 'fast/web-vdb.qcow2'];
const web = (change: Partial<DesiredVm> = {}) => {
  const data = { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 1 };
  return desiredState([desiredVm({ power: 'manual', dataDisks: [data], ...change })]);
};
const about = { host: 'a', vm: 'web', uuid: vmUuid(CLUSTER, 'web'), cluster: CLUSTER, reason: 'a test' };
const take = (snapshot: string): SnapshotStep => ({
  ...about,
  kind: 'snapshot',
  snapshot,
  at: NOW.toISOString(),
  by: 'command',
});
const merge = (snapshot: string): MergeStep => ({ ...about, kind: 'merge', snapshot });
const revert = (snapshot: string): RevertStep => ({ ...about, kind: 'revert', snapshot });
const start: Step = { ...about, kind: 'start' };

async function look(): Promise<ObservedVm> {
  const vm = (await bench.observe()).vms.find(({ name }) => name === 'web');
  if (vm === undefined) throw new Error('web is gone');
  return vm;
}

/** The file that each disk writes to, and the snapshots with their states. */
async function shape() {
  const { disks, mark, power } = await look();
  return {
    power,
    files: disks.map(({ file }) => file?.replace(/^.*\//, '')),
    snapshots: (mark?.snapshots ?? []).map(({ name, state }) => `${name} ${state}`),
  };
}

/** Something is written to the disk that the VM has in that pool by now. */
function write(file: string, bytes: number): void {
  const found = bench.host.storage.file(`${POOL}/${file}`);
  if (found === undefined) throw new Error(`no ${file}`);
  const { allocationBytes, physicalBytes } = found;
  bench.host.storage.putFile(`${POOL}/${file}`, {
    ...found,
    allocationBytes: allocationBytes + bytes,
    physicalBytes: physicalBytes + bytes,
  });
}

describe.each([
  ['runs', [start], 'running'],
  ['is off', [], 'shutoff'],
] as const)('snapshots of a VM that %s', (_, before, power) => {
  beforeEach(async () => {
    await bench.converge(web());
    await bench.apply(before);
  });

  it('freeze all its disks, which go on in overlays', async () => {
    await bench.apply([take('one'), take('one'), take('two')]);
    expect(await shape()).toEqual({
      power,
      files: ['web-vda.two.qcow2', 'web-vdb.two.qcow2'],
      snapshots: ['one ready', 'two ready'],
    });
    expect(volumesOf(bench.host)).toHaveLength(6);
    expect(bench.host.storage.file(`${POOL}/web-vda.two.qcow2`)?.backing?.path).toBe(
      `${POOL}/web-vda.one.qcow2`,
    );
  });

  it.each([
    [
      ['one', 'two'],
      ['one', 'two'],
    ],
    [
      ['one', 'two'],
      ['two', 'one'],
    ],
  ])(
    'taken as %s and merged as %s leave the disks as they were, with all that was written',
    async (taken, merged) => {
      for (const name of taken) {
        await bench.apply([take(name)]);
        write(`web-vda.${name}.qcow2`, 1000);
      }
      const [first = '', second = ''] = merged;
      await bench.apply([merge(first), merge(first)]);
      expect((await shape()).snapshots).toEqual([`${second} ready`]);
      await bench.apply([merge(second)]);
      expect(await shape()).toEqual({ power, files: ['web-vda.qcow2', 'web-vdb.qcow2'], snapshots: [] });
      expect(volumesOf(bench.host)).toEqual(DISKS);
      expect(bench.host.storage.file(`${POOL}/web-vda.qcow2`)).toMatchObject({
        allocationBytes: imageFile(2 * GIB, 2000).allocationBytes,
      });
    },
  );

  it('are gone back to: what was written since is gone, newer ones too', async () => {
    await bench.apply([take('one'), take('two')]);
    await bench.apply([revert('one'), revert('two')]);
    expect(await shape()).toEqual({
      power: 'shutoff',
      files: ['web-vda.one-2.qcow2', 'web-vdb.one-2.qcow2'],
      snapshots: ['one ready'],
    });
    expect(volumesOf(bench.host)).toHaveLength(4);
    await bench.apply([revert('one'), merge('one')]);
    expect(volumesOf(bench.host)).toEqual(DISKS);
  });

  it('are purged with it, from the top', async () => {
    await bench.apply([take('one'), take('two')]);
    await bench.converge(desiredState());
    expect((await shape()).snapshots).toHaveLength(2);
    await bench.converge(desiredState(), LATER);
    expect(bench.host.vms()).toEqual([]);
    expect(volumesOf(bench.host)).toEqual([]);
    expect(bench.host.storage.file('/pool/debian.qcow2')).toBeDefined();
  });

  it('come back with it', async () => {
    await bench.apply([take('one')]);
    await bench.converge(desiredState());
    await bench.converge(web());
    expect((await shape()).snapshots).toEqual(['one ready']);
  });

  it('that git declares are taken, and merged when it no longer does; those by command stay', async () => {
    await bench.apply([take('mine')]);
    expect(await bench.converge(web({ snapshots: ['declared'] }))).toEqual(['snapshot web']);
    expect(await bench.converge(web())).toEqual(['merge web']);
    expect((await shape()).snapshots).toEqual(['mine ready']);
  });
});

it('that is gone back to is so in the end, whichever call is the last before the connection breaks', async () => {
  for (let at = 0; ; at++) {
    bench.clear();
    await bench.converge(web());
    await bench.apply([take('one'), take('two'), start]);
    const { isOver } = await applyCut(bench, [revert('one')], { at });
    if (isOver) return;
    // Asked again: before it was claimed nothing has changed, after that any pass finishes it.
    if ((await shape()).snapshots.length === 2) await bench.apply([revert('one')]);
    await bench.converge(web());
    expect({ at, ...(await shape()), volumes: volumesOf(bench.host).length }).toEqual({
      at,
      power: 'shutoff',
      files: ['web-vda.one-2.qcow2', 'web-vdb.one-2.qcow2'],
      snapshots: ['one ready'],
      volumes: 4,
    });
  }
}, 60_000);

describe('a snapshot', () => {
  const refused = (step: Step) => bench.apply([step]).catch((error: unknown) => error);

  beforeEach(() => bench.converge(web()));

  it('is merged though libvirt hears a moment later than QEMU that it can go on without it', async () => {
    await bench.apply([start, take('one')]);
    let tries = 0;
    bench.host.intercept = (_, procedure) =>
      procedure === 'domainBlockJobAbort' && ++tries === 1
        ? { error: 83, message: 'not ready for pivot yet' }
        : 'pass';
    await bench.apply([merge('one')]);
    bench.host.intercept = undefined;
    expect(await shape()).toMatchObject({ power: 'running', snapshots: [] });
    // The other disk once, and the first one again.
    expect(tries).toBe(3);
  });

  it('is not taken over a file that the mark does not name', async () => {
    const libvirt = await bench.libvirt();
    const domain = await libvirt.domains.byName('web');
    const xml = await libvirt.domains.xml(domain, { inactive: true });
    await libvirt.domains.define(xml.replace('/pool/web-vda.qcow2', '/pool/by-hand.qcow2'));
    expect(await refused(take('one'))).toMatchObject({
      code: 'E_SNAPSHOT',
      message: expect.stringContaining('disk vda is on /pool/by-hand.qcow2, which is no volume of ours'),
    });
    expect((await shape()).snapshots).toEqual([]);
  });

  it.each([
    ['taken', take('one'), [] as const],
    ['merged', merge('one'), [take('one')] as const],
  ])('is not %s while the memory of the VM is saved', async (_, step, before) => {
    await bench.apply([...before, start]);
    const libvirt = await bench.libvirt();
    await libvirt.domains.managedSave(await libvirt.domains.byName('web'));
    expect(await refused(step)).toMatchObject({
      code: 'E_SNAPSHOT',
      message: expect.stringContaining('is off with its memory saved'),
    });
  });

  it('takes another name for a file that is there', async () => {
    bench.host.storage.putFile('/pool/web-vda.one.qcow2', imageFile(GIB, 0));
    await bench.apply([take('one')]);
    expect((await shape()).files).toEqual(['web-vda.one-2.qcow2', 'web-vdb.one.qcow2']);
    await bench.apply([merge('one')]);
    expect(bench.host.storage.file('/pool/web-vda.one.qcow2')).toBeDefined();
  });

  it('that cannot be made leaves no claim', async () => {
    bench.host.intercept = (_, procedure) =>
      procedure === 'storageVolCreateXml' ? { error: 38, message: 'No space left on device' } : 'pass';
    const failure = await refused(take('one'));
    bench.host.intercept = undefined;
    expect(failure).toMatchObject({ code: 'E_LIBVIRT' });
    expect(await shape()).toMatchObject({ files: ['web-vda.qcow2', 'web-vdb.qcow2'], snapshots: [] });
    expect(volumesOf(bench.host)).toEqual(DISKS);
  });

  it('is not merged when something else uses its file', async () => {
    await bench.apply([take('one')]);
    const backing = { path: '/pool/web-vda.one.qcow2', format: 'qcow2' };
    bench.host.storage.putFile('/pool/rescue.qcow2', { ...imageFile(GIB, 0), backing });
    expect(await refused(merge('one'))).toMatchObject({
      code: 'E_SNAPSHOT',
      message: expect.stringContaining('is used by volume rescue.qcow2 of pool default'),
    });
    expect(bench.host.storage.file('/pool/web-vda.one.qcow2')).toBeDefined();
  });

  it('that was asked for by command is taken by the next pass, and the request struck off', async () => {
    const request = { uuid: about.uuid, action: 'create', snapshot: 'one', at: NOW.toISOString() } as const;
    await bench.apply([{ ...about, kind: 'request', request }]);
    expect((await look()).request).toEqual(request);
    expect(await bench.converge(web())).toEqual(['snapshot web']);
    expect((await look()).request).toBeUndefined();
    expect((await shape()).snapshots).toEqual(['one ready']);
  });

  it('that a person made with virsh is shown, and never touched', async () => {
    const libvirt = await bench.libvirt();
    const domain = await libvirt.domains.byName('web');
    await libvirt.chains.snapshot(domain, '<domainsnapshot><name>by-hand</name></domainsnapshot>');
    expect((await look()).foreignSnapshots).toEqual(['by-hand']);
    expect(await bench.converge(web())).toEqual([]);
  });

  it('is merged by what an earlier try left paused, which is then off again', async () => {
    await bench.apply([take('one')]);
    bench.host.intercept = (_, procedure) => (procedure === 'domainBlockCommit' ? 'drop-connection' : 'pass');
    await refused(merge('one'));
    bench.host.intercept = undefined;
    expect(await shape()).toMatchObject({ power: 'paused', snapshots: ['one merging'] });
    expect(await bench.converge(web({ power: 'on' }))).toEqual(['merge web', 'start web']);
    expect(await shape()).toEqual({
      power: 'running',
      files: ['web-vda.qcow2', 'web-vdb.qcow2'],
      snapshots: [],
    });
  });

  it('that QEMU refuses to merge leaves a VM that was off, off', async () => {
    await bench.apply([take('one')]);
    bench.host.intercept = (_, procedure) => (procedure === 'domainBlockCommit' ? { error: 1 } : 'pass');
    await refused(merge('one'));
    bench.host.intercept = undefined;
    expect(await shape()).toMatchObject({ power: 'shutoff', snapshots: ['one merging'] });
  });
});

describe('the guest of a snapshot that is taken while it runs', () => {
  const guest = () => bench.host.guestOf('web');
  const consistency = async () => (await look()).mark?.snapshots?.map((snapshot) => snapshot.consistency);

  /** Takes a snapshot; what a person is told of its result. */
  async function remarksOf(step: Step): Promise<string[]> {
    const remarks: string[] = [];
    await bench.hosts.apply(step, (message, kind) => void (kind === 'remark' && remarks.push(message)));
    return remarks;
  }

  beforeEach(async () => {
    await bench.converge(web());
    await bench.apply([start]);
    bench.host.runAgent('web');
  });

  it('has its file systems at rest where it has an agent, goes on after, and the mark says so', async () => {
    expect(await remarksOf(take('one'))).toEqual([]);
    expect(await consistency()).toEqual(['quiesced']);
    expect(guest().frozen).toBe(false);
    await bench.apply([revert('one')]);
    expect(await consistency()).toEqual(['quiesced']);
  });

  it.each([
    ['has no agent', () => bench.host.runAgent('web', false), 'no guest agent answers'],
    [
      'has one that may not freeze it',
      () => (guest().forbidden = ['guest-fsfreeze-freeze']),
      "its guest agent did not (internal error: unable to execute QEMU agent command 'guest-fsfreeze-freeze': Command guest-fsfreeze-freeze has been disabled)",
    ],
    [
      'has one that knows nothing of it',
      () => (guest().forbidden = ['guest-fsfreeze-freeze', 'guest-fsfreeze-status', 'guest-fsfreeze-thaw']),
      expect.stringContaining('its guest agent did not'),
    ],
  ])('is as after a power cut where it %s, and that is said', async (_, arrange, why) => {
    arrange();
    const remarks = await remarksOf(take('one'));
    const before = 'as after a power cut, its file systems were not brought to rest: ';
    expect(remarks.map((remark) => remark.startsWith(before))).toEqual([true]);
    expect(remarks.map((remark) => remark.slice(before.length))).toEqual([why]);
    expect(await consistency()).toEqual(['crash']);
    expect(guest().frozen).toBe(false);
  });

  it('is not left frozen when libvirtd ends in the middle: the next try lets it go on', async () => {
    bench.host.intercept = (_, procedure) => {
      if (procedure !== 'domainSnapshotCreateXml') return 'pass';
      guest().frozen = true;
      return 'drop-connection';
    };
    await expect(bench.apply([take('one')])).rejects.toMatchObject({ code: 'E_OUTCOME_UNKNOWN' });
    bench.host.intercept = undefined;
    expect(guest().frozen).toBe(true);
    await bench.converge(web());
    expect(guest().frozen).toBe(false);
    expect(await shape()).toMatchObject({ snapshots: ['one ready'] });
    expect(await consistency()).toEqual(['quiesced']);
  });

  it('that stays frozen whatever its agent is told is no snapshot that is ready: it says what to do', async () => {
    bench.host.intercept = (_, procedure) => {
      if (procedure === 'domainSnapshotCreateXml') guest().frozen = true;
      return procedure === 'domainSnapshotCreateXml' ? 'drop-connection' : 'pass';
    };
    await expect(bench.apply([take('one')])).rejects.toMatchObject({ code: 'E_OUTCOME_UNKNOWN' });
    bench.host.intercept = undefined;
    guest().forbidden = ['guest-fsfreeze-thaw'];
    await expect(bench.apply([take('one')])).rejects.toMatchObject({
      code: 'E_SNAPSHOT',
      message: expect.stringContaining('virsh domfsthaw web'),
    });
    expect((await shape()).snapshots).toEqual(['one taking']);
  });

  it('that somebody else has frozen stays so: it is theirs to undo', async () => {
    guest().frozen = true;
    expect(await remarksOf(take('one'))).toEqual([]);
    expect(await consistency()).toEqual(['quiesced']);
    expect(guest().frozen).toBe(true);
  });
});
