import { describe, expect, it } from 'vitest';
import type { DataDisk, DesiredState, DesiredVm } from '../../../src/core/desired.ts';
import { keptVolumes } from '../../../src/core/kept-volumes.ts';
import { pendingRestarts } from '../../../src/core/size.ts';
import { imageFile } from '../../../src/simulator/volumes.ts';
import { CLUSTER, desiredState, desiredVm, GIB, NOW } from '../../builders.ts';
import { FAST, ours, POOL, useBench, volumesOf } from '../bench.ts';

const bench = useBench();
const LATER = new Date(NOW.getTime() + 30 * 24 * 60 * 60 * 1000);
const VDB = `${FAST}/web-vdb.qcow2`;

function vdb(sizeGiB: number): DataDisk {
  return { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB };
}

function web(dataDisks: readonly DataDisk[] = [], change: Partial<DesiredVm> = {}): DesiredState {
  return desiredState([desiredVm({ power: 'on', dataDisks, ...change })]);
}

async function pending(desired: DesiredState) {
  const host = await bench.observe(desired);
  return pendingRestarts(desired.vms, { hosts: new Map([['a', host]]) }).map(({ reason }) => reason);
}

/** What the running VM has, by target. */
function liveTargets(): string[] {
  return bench.host.domains.byName('web').run?.definition.disks.map(({ target }) => target) ?? [];
}

async function plannedKinds(desired: DesiredState, now = NOW): Promise<string[]> {
  return (await bench.plan(desired, now)).steps.map(({ kind }) => kind);
}

describe('grow', () => {
  it.each(['on', 'off'] as const)('makes boot disk and data disk larger (power: %s)', async (power) => {
    await bench.converge(web([vdb(1)], { power }));
    const larger = web([vdb(3)], { power, bootDisk: { ...desiredVm().bootDisk, sizeGiB: 4 } });
    expect(await bench.converge(larger)).toEqual(['grow web', 'grow web']);
    expect(bench.host.storage.file(VDB)?.capacityBytes).toBe(3 * GIB);
    expect(bench.host.storage.file(`${POOL}/web-vda.qcow2`)?.capacityBytes).toBe(4 * GIB);
    expect(await pending(larger)).toEqual([]);
  });

  it.each(['on', 'off'] as const)('shrinks nothing, whatever it is told (power: %s)', async (power) => {
    await bench.converge(web([vdb(1)], { power }));
    const { steps } = await bench.plan(web([vdb(3)], { power }));
    await bench.converge(web([vdb(5)], { power }));
    await expect(bench.apply(steps)).rejects.toMatchObject({ code: 'E_POSTCONDITION' });
    expect(bench.host.storage.file(VDB)?.capacityBytes).toBe(5 * GIB);
  });

  it('is safe to repeat', async () => {
    await bench.converge(web([vdb(1)]));
    const { steps } = await bench.plan(web([vdb(3)]));
    await bench.apply([...steps, ...steps]);
    expect(bench.host.storage.file(VDB)?.capacityBytes).toBe(3 * GIB);
  });
});

describe('attach', () => {
  it('makes a disk and gives it to the running VM, and to its definition', async () => {
    await bench.converge(web());
    expect(await bench.converge(web([vdb(1)]))).toEqual(['attach web']);
    expect(bench.host.storage.file(VDB)).toMatchObject({ format: 'qcow2', capacityBytes: GIB });
    expect(liveTargets()).toEqual(['vda', 'vdb']);
    const { disks, mark } = ours(await bench.observe());
    expect(disks.map(({ target, file }) => [target, file])).toContainEqual(['vdb', VDB]);
    expect(mark.volumes).toContainEqual({ target: 'vdb', pool: 'fast', name: 'web-vdb.qcow2', made: true });
  });

  it('shows as pending restart what the running VM has no place for', async () => {
    const many = ['c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'].map((letter) => ({
      ...vdb(1),
      target: `vd${letter}`,
      volume: `web-vd${letter}.qcow2`,
    }));
    await bench.converge(web());
    await bench.converge(web(many));
    expect(await pending(web(many))).toEqual(['disk vdk is attached, disk vdl is attached']);
    bench.host.powerOff('web');
    await bench.converge(web(many));
    expect(await pending(web(many))).toEqual([]);
  });

  it('takes nobody else’s volume of that name, and does not claim it', async () => {
    await bench.converge(web());
    bench.host.storage.putFile(VDB, imageFile(GIB, 7));
    const { steps } = await bench.plan(web([vdb(1)]));
    await expect(bench.apply(steps)).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    expect(bench.host.storage.file(VDB)).toEqual(imageFile(GIB, 7));
    expect(ours(await bench.observe()).mark.volumes).toHaveLength(1);
  });

  it('is safe to repeat', async () => {
    await bench.converge(web());
    const { steps } = await bench.plan(web([vdb(1)]));
    await bench.apply([...steps, ...steps]);
    expect(await plannedKinds(web([vdb(1)]))).toEqual([]);
    expect(volumesOf(bench.host)).toEqual(['default/web-vda.qcow2', 'fast/web-vdb.qcow2']);
  });
});

describe('detach', () => {
  it('takes the disk out, and keeps its volume until its date', async () => {
    await bench.converge(web([vdb(1)]));
    expect(await bench.converge(web())).toEqual(['detach web']);
    expect(liveTargets()).toEqual(['vda']);
    const host = await bench.observe();
    expect(ours(host).disks.map(({ target }) => target)).toEqual(['vda']);
    expect(keptVolumes(CLUSTER, { hosts: new Map([['a', host]]) })).toEqual([
      {
        vm: 'web',
        host: 'a',
        target: 'vdb',
        pool: 'fast',
        name: 'web-vdb.qcow2',
        bytes: GIB,
        since: NOW.toISOString(),
        purgeAfter: '2026-03-08T12:00:00.000Z',
      },
    ]);
    expect(await plannedKinds(web())).toEqual([]);
  });

  it('shows as pending restart what the guest does not let go of, and deletes nothing of it meanwhile', async () => {
    await bench.converge(web([vdb(1)]));
    bench.host.keepDevices('web');
    await bench.converge(web());
    expect(liveTargets()).toEqual(['vda', 'vdb']);
    expect(await pending(web())).toEqual(['disk vdb is detached']);
    expect((await bench.plan(web(), LATER)).held.map(({ kind }) => kind)).toEqual(['reclaim']);
    bench.host.powerOff('web');
    expect(await bench.converge(web(), LATER)).toEqual(['start web', 'reclaim web']);
  }, 30_000);

  it('brings the disk back with its data, and larger where git wants that', async () => {
    await bench.converge(web([vdb(1)]));
    const file = bench.host.storage.file(VDB);
    if (file === undefined) throw new Error('no disk');
    bench.host.storage.putFile(VDB, { ...file, allocationBytes: 123_456_789 });
    await bench.converge(web());
    expect(await bench.converge(web([vdb(2)]), LATER)).toEqual(['attach web']);
    expect(bench.host.storage.file(VDB)).toMatchObject({
      allocationBytes: 123_456_789,
      capacityBytes: 2 * GIB,
    });
    expect(ours(await bench.observe()).mark.volumes.every(({ retained }) => retained === undefined)).toBe(
      true,
    );
  });

  it('is safe to repeat', async () => {
    await bench.converge(web([vdb(1)]));
    const { steps } = await bench.plan(web());
    await bench.apply([...steps, ...steps]);
    expect(await plannedKinds(web())).toEqual([]);
    expect(volumesOf(bench.host)).toEqual(['default/web-vda.qcow2', 'fast/web-vdb.qcow2']);
  });
});

describe('reclaim', () => {
  it('deletes the kept volume on its date, and nothing else', async () => {
    await bench.converge(web([vdb(1)]));
    await bench.converge(web());
    bench.host.storage.putFile(`${FAST}/web-vdb.qcow2.bak`, imageFile(GIB, 0));
    const { steps } = await bench.plan(web(), LATER);
    expect(steps.map(({ kind }) => kind)).toEqual(['reclaim']);
    await bench.apply([...steps, ...steps]);
    expect(volumesOf(bench.host)).toEqual(['default/web-vda.qcow2', 'fast/web-vdb.qcow2.bak']);
    expect(ours(await bench.observe()).mark.volumes.map(({ target }) => target)).toEqual(['vda']);
  });

  it.each([
    { what: 'is a disk of the VM again', before: () => bench.converge(web([vdb(1)])) },
    {
      what: 'is under an overlay',
      before: async () => {
        const backing = { path: VDB, format: 'qcow2' };
        bench.host.storage.putFile(`${POOL}/over.qcow2`, { ...imageFile(GIB, 0), backing });
      },
    },
    {
      what: 'was attached by hand while the VM runs',
      before: async () => {
        const libvirt = await bench.libvirt();
        const xml = `<disk type='file' device='disk'><source file='${VDB}'/><target dev='vdx' bus='virtio'/></disk>`;
        await libvirt.devices.attach(await libvirt.domains.byName('web'), xml, { live: true });
      },
    },
  ])('deletes nothing that $what', async ({ before }) => {
    await bench.converge(web([vdb(1)]));
    await bench.converge(web());
    const { steps } = await bench.plan(web(), LATER);
    await before();
    await expect(bench.apply(steps)).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    expect(bench.host.storage.file(VDB)).toBeDefined();
  });

  it('comes with the purge of the VM', async () => {
    await bench.converge(web([vdb(1)]));
    await bench.converge(web());
    await bench.converge(desiredState());
    await bench.converge(desiredState(), LATER);
    expect(volumesOf(bench.host)).toEqual([]);
  });
});
