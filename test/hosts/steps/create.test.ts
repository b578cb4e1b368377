import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../../src/core/desired.ts';
import type { CreateStep } from '../../../src/core/step.ts';
import { imageFile } from '../../../src/simulator/volumes.ts';
import { desiredState, desiredVm, GIB } from '../../builders.ts';
import { FAST, ours, POOL, useBench, volumesOf } from '../bench.ts';

const bench = useBench();
const INTERNAL_ERROR = 1;
const data = { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 1 };
const full = { ...desiredVm().bootDisk, clone: 'full' } as const;

function web(change: Partial<DesiredVm> = {}): DesiredVm {
  return desiredVm({ power: 'off', autostart: false, ...change });
}

async function createOf(vm: DesiredVm): Promise<CreateStep> {
  const { steps } = await bench.plan(desiredState([vm]));
  const [step] = steps;
  if (step?.kind !== 'create') throw new Error(`the plan says ${step?.kind}`);
  return step;
}

/** A disk of somebody's, with 5 MiB of data in it. */
function putForeign(path: string): void {
  bench.host.storage.putFile(path, imageFile(9 * GIB, 5 * 1024 ** 2));
}

describe('create', () => {
  it.each([
    ['as large as the image', {}, 2],
    ['grown to bootDiskGb', { sizeGiB: 5 }, 5],
  ])('makes a thin overlay %s', async (_, size, sizeGiB) => {
    await bench.apply([await createOf(web({ bootDisk: { ...desiredVm().bootDisk, ...size } }))]);
    expect(bench.host.storage.file(`${POOL}/web-vda.qcow2`)).toMatchObject({
      format: 'qcow2',
      capacityBytes: sizeGiB * GIB,
      backing: { path: `${POOL}/debian.qcow2`, format: 'qcow2' },
    });
  });

  it.each([
    ['as large as the image', full, 2],
    ['grown to bootDiskGb', { ...full, sizeGiB: 5 }, 5],
  ])('makes a full copy %s, which does not need the image any more', async (_, bootDisk, sizeGiB) => {
    await bench.apply([await createOf(web({ bootDisk }))]);
    const file = bench.host.storage.file(`${POOL}/web-vda.qcow2`);
    expect(file).toMatchObject({ format: 'qcow2', capacityBytes: sizeGiB * GIB });
    expect(file?.backing).toBeUndefined();
    expect(file?.allocationBytes).toBeGreaterThan(1024 ** 2);
  });

  it('leaves a complete VM: marked, defined as declared, shut off, with autostart as declared', async () => {
    await bench.apply([await createOf(web({ dataDisks: [data], autostart: true }))]);
    expect(ours(await bench.observe())).toMatchObject({
      power: 'shutoff',
      autostart: true,
      persistent: true,
      vcpus: 2,
      memoryMiB: 2048,
      maxMemoryMiB: 4096,
      disks: [
        { target: 'vda', file: `${POOL}/web-vda.qcow2` },
        { target: 'vdb', file: `${FAST}/web-vdb.qcow2` },
      ],
      mark: {
        state: 'ready',
        volumes: [
          { pool: 'default', name: 'web-vda.qcow2' },
          { pool: 'fast', name: 'web-vdb.qcow2' },
        ],
      },
    });
    expect((await bench.plan(desiredState([web({ dataDisks: [data], autostart: true })]))).steps).toEqual([]);
  });

  it('refuses to make a VM a second time, and says that it is complete', async () => {
    const step = await createOf(web());
    await bench.apply([step]);
    const before = bench.host.storage.files();
    await expect(bench.apply([step])).rejects.toMatchObject({
      code: 'E_NOT_OURS',
      message: 'web on a is complete already (ready)',
    });
    expect(bench.host.storage.files()).toEqual(before);
  });

  it.each([
    ['that libvirt knows', true],
    ['that was copied there past libvirt', false],
  ])('never takes over a volume of its name %s', async (_, known) => {
    const step = await createOf(web());
    putForeign(`${POOL}/web-vda.qcow2`);
    if (known) bench.host.storage.refresh(bench.host.storage.poolByName('default'));
    const before = bench.host.storage.files();
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(bench.apply([step])).rejects.toMatchObject({
        code: 'E_NOT_OURS',
        message: expect.stringContaining('already has a volume web-vda.qcow2 that no VM of ours has'),
      });
    }
    expect(bench.host.storage.files()).toEqual(before);
    expect(bench.host.vms()).toEqual([]);
  });

  it.each([
    ['boot disk', `${POOL}/web-vda.qcow2`],
    ['data disk', `${FAST}/web-vdb.qcow2`],
  ])(
    "never deletes somebody else's file where its %s should be, though a busy pool hid it at first",
    async (_, path) => {
      const vm = web({ dataDisks: [data] });
      putForeign(path);
      bench.host.intercept = (_host, name) =>
        name === 'storagePoolRefresh'
          ? { error: INTERNAL_ERROR, message: 'pool has asynchronous jobs running' }
          : 'pass';
      await expect(bench.apply([await createOf(vm)])).rejects.toMatchObject({ code: 'E_LIBVIRT' });
      bench.host.intercept = undefined;
      for (let attempt = 0; attempt < 2; attempt++)
        await expect(bench.apply([await createOf(vm)])).rejects.toMatchObject({ code: 'E_NOT_OURS' });
      expect(bench.host.storage.file(path)?.capacityBytes).toBe(9 * GIB);
    },
  );

  it("never deletes somebody else's file that showed only after the image was missing", async () => {
    const step = await createOf(web());
    putForeign(`${POOL}/web-vda.qcow2`);
    bench.host.storage.removeFile(`${POOL}/debian.qcow2`);
    bench.host.intercept = (_host, name) =>
      name === 'storagePoolRefresh' ? { error: INTERNAL_ERROR } : 'pass';
    bench.host.storage.poolByName('default').volumes.delete('debian.qcow2');
    await expect(bench.apply([step])).rejects.toMatchObject({ code: 'E_IMAGE_MISSING' });
    bench.host.intercept = undefined;
    await expect(bench.apply([step])).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    expect(bench.host.storage.file(`${POOL}/web-vda.qcow2`)?.capacityBytes).toBe(9 * GIB);
  });

  it('takes up a copy that could not be grown, and leaves no volume behind', async () => {
    const vm = web({ bootDisk: { ...full, sizeGiB: 5 } });
    bench.host.intercept = (_host, name) =>
      name === 'storageVolResize' ? { error: INTERNAL_ERROR } : 'pass';
    await expect(bench.apply([await createOf(vm)])).rejects.toMatchObject({ code: 'E_LIBVIRT' });
    bench.host.intercept = undefined;
    await bench.converge(desiredState([vm]));
    expect(bench.host.storage.file(`${POOL}/web-vda.qcow2`)?.capacityBytes).toBe(5 * GIB);
    expect(volumesOf(bench.host)).toEqual(['default/web-vda.qcow2']);
  });

  it.each([
    [
      'the image is gone',
      () => bench.host.storage.removeFile(`${POOL}/debian.qcow2`),
      'no volume debian.qcow2 in pool default',
    ],
    [
      'a pool is not active',
      () => bench.host.storage.stopPool(bench.host.storage.poolByName('fast')),
      'storage pool fast is not active',
    ],
  ])('refuses when %s by now', async (_, change, message) => {
    const step = await createOf(web({ dataDisks: [data] }));
    change();
    await expect(bench.apply([step])).rejects.toMatchObject({
      code: 'E_IMAGE_MISSING',
      message: expect.stringContaining(message),
    });
    expect(volumesOf(bench.host).filter((name) => name !== 'fast/web-vdb.qcow2')).toEqual([]);
  });

  it.each([
    [
      'is gone',
      { image: { name: 'arch', pool: 'default', volume: 'arch.qcow2' } },
      'base image arch is not on a',
    ],
    ['is larger than bootDiskGb', { sizeGiB: 1 }, 'a disk does not shrink'],
  ])('is not even planned where the image %s', async (_, bootDisk, reason) => {
    const { steps, held } = await bench.plan(
      desiredState([web({ bootDisk: { ...desiredVm().bootDisk, ...bootDisk } })]),
    );
    expect(steps).toEqual([]);
    expect(held).toMatchObject([
      { because: 'conflict', kind: 'create', reason: expect.stringContaining(reason) },
    ]);
  });

  it('refuses a name that a VM of somebody else has', async () => {
    const step = await createOf(web());
    const other = await createOf(web({ name: 'other' }));
    await bench.apply([other]);
    const clash = { ...step, vm: 'other', spec: { ...step.spec, name: 'other' } };
    await expect(bench.apply([clash])).rejects.toMatchObject({
      code: 'E_NOT_OURS',
      message: 'a already has a VM other that is not ours',
    });
  });

  it('refuses to touch what somebody started before it was complete', async () => {
    const step = await createOf(web({ dataDisks: [data] }));
    bench.host.intercept = (_host, name) =>
      name === 'domainSetAutostart' ? { error: INTERNAL_ERROR } : 'pass';
    await expect(bench.apply([step])).rejects.toMatchObject({ code: 'E_LIBVIRT' });
    bench.host.intercept = undefined;
    const libvirt = await bench.libvirt();
    await libvirt.domains.start(await libvirt.domains.byName('web'));
    await expect(bench.apply([step])).rejects.toMatchObject({
      code: 'E_NOT_OURS',
      message: 'web on a was started before its disks were complete',
    });
    expect(bench.host.isRunning('web')).toBe(true);
  });
});
