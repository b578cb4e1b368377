import { isDeepStrictEqual } from 'node:util';
import { beforeEach, describe, expect, it } from 'vitest';
import { vmUuid } from '../../../src/core/identity.ts';
import type { PurgeStep, Step } from '../../../src/core/step.ts';
import { imageFile } from '../../../src/simulator/volumes.ts';
import { CLUSTER, desiredState, desiredVm, GIB, NOW } from '../../builders.ts';
import { FAST, ours, POOL, useBench, volumesOf } from '../bench.ts';

const bench = useBench();
const LATER = new Date(NOW.getTime() + 30 * 24 * 60 * 60 * 1000);
const VDA = `${POOL}/web-vda.qcow2`;
const data = { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 1 };
const web = desiredVm({ power: 'off', dataDisks: [data] });
const others = ['w2', 'w3', 'w4', 'w5'].map((name) => desiredVm({ name, power: 'off' }));

async function purges(): Promise<PurgeStep[]> {
  const { steps } = await bench.plan(desiredState(), LATER);
  return steps.filter((step) => step.kind === 'purge');
}

/** A VM of somebody else's, whose definition has these lines among its devices. */
async function defineOther(devices: string, name = 'rescue'): Promise<void> {
  const libvirt = await bench.libvirt();
  await libvirt.domains.define(
    `<domain type='kvm'><name>${name}</name><uuid>${vmUuid('other', name)}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>` +
      `<os><type arch='x86_64' machine='q35'>hvm</type></os><devices>${devices}</devices></domain>`,
  );
}

function disk(source: string, device = 'disk', type = 'file'): string {
  return `<disk type='${type}' device='${device}'><driver name='qemu' type='qcow2'/><source ${source}/><target dev='vda' bus='virtio'/></disk>`;
}

/** What comes of the purge, and what is left. */
async function attempt() {
  const before = bench.host.storage.files();
  const error: unknown = await bench.apply(step).catch((thrown: unknown) => thrown);
  const untouched = isDeepStrictEqual(bench.host.storage.files(), before);
  return { error, untouched, state: ours(await bench.observe()).mark.state };
}

function refusal(reason: string) {
  const error = { code: 'E_NOT_OURS', message: expect.stringContaining(reason) };
  return { error, untouched: true, state: 'tombstone' };
}

let step: PurgeStep[] = [];
beforeEach(async () => {
  await bench.converge(desiredState([web]));
  await bench.converge(desiredState());
  step = await purges();
});

describe('purge', () => {
  it('deletes the definition and the volumes of the mark, and nothing else', async () => {
    bench.host.storage.putFile(`${POOL}/web-vda.qcow2.bak`, imageFile(GIB, 0));
    bench.host.storage.putFile(`${FAST}/web-vdc.qcow2`, imageFile(GIB, 0));
    await bench.apply(step);
    expect(volumesOf(bench.host)).toEqual(['default/web-vda.qcow2.bak', 'fast/web-vdc.qcow2']);
    expect(bench.host.vms()).toEqual([]);
    expect(bench.host.storage.file(`${POOL}/debian.qcow2`)).toBeDefined();
  });

  it('changes nothing when it has been done already', async () => {
    await bench.apply(step);
    await bench.apply(step);
    expect(volumesOf(bench.host)).toEqual([]);
  });

  it('goes on where a volume is gone already', async () => {
    bench.host.storage.removeFile(VDA);
    bench.host.storage.refresh(bench.host.storage.poolByName('default'));
    await bench.apply(step);
    expect(bench.host.vms()).toEqual([]);
    expect(volumesOf(bench.host)).toEqual([]);
  });

  it.each([
    ['as a disk', disk(`file='${VDA}'`)],
    ['as a CD-ROM', disk(`file='${VDA}'`, 'cdrom')],
  ])('refuses while another VM has a volume %s', async (_, devices) => {
    await defineOther(devices);
    expect(await attempt()).toMatchObject(refusal(`${VDA} is used by VM rescue`));
  });

  it('refuses while another VM will have a volume from its next start on', async () => {
    await defineOther('');
    const libvirt = await bench.libvirt();
    await libvirt.domains.start(await libvirt.domains.byName('rescue'));
    await defineOther(disk(`file='${VDA}'`));
    expect(await attempt()).toMatchObject(refusal(`${VDA} is used by VM rescue`));
  });

  it('refuses while another VM runs with a volume, though its definition no longer has it', async () => {
    await defineOther(disk(`file='${VDA}'`));
    const libvirt = await bench.libvirt();
    await libvirt.domains.start(await libvirt.domains.byName('rescue'));
    await defineOther('');
    expect(await attempt()).toMatchObject(refusal(`${VDA} is used by VM rescue`));
  });

  it.each([
    ['in the same pool', `${POOL}/rescue.qcow2`, 'volume rescue.qcow2 of pool default'],
    ['in another pool', `${FAST}/rescue.qcow2`, 'volume rescue.qcow2 of pool fast'],
  ])(
    'refuses while there is an overlay of a volume %s, though it was made past libvirt',
    async (_, path, user) => {
      bench.host.storage.putFile(path, { ...imageFile(2 * GIB, 0), backing: { path: VDA, format: 'qcow2' } });
      expect(await attempt()).toMatchObject(refusal(`${VDA} is used by ${user}, an overlay of it`));
    },
  );

  it('refuses while a pool of the mark is not active, and forgets nothing', async () => {
    bench.host.storage.stopPool(bench.host.storage.poolByName('fast'));
    await expect(bench.apply(step)).rejects.toMatchObject({
      message: expect.stringContaining("'fast' is not active"),
    });
    expect(bench.host.storage.file(VDA)).toBeDefined();
    expect(ours(await bench.observe()).mark.volumes).toHaveLength(2);
  });

  it('refuses while a pool of the mark is not defined, and forgets nothing', async () => {
    const pool = bench.host.storage.poolByName('fast');
    bench.host.storage.stopPool(pool);
    bench.host.storage.undefinePool(pool);
    await expect(bench.apply(step)).rejects.toMatchObject({
      message: expect.stringContaining("name 'fast'"),
    });
    expect(bench.host.storage.file(VDA)).toBeDefined();
    expect(ours(await bench.observe()).mark.volumes).toHaveLength(2);
    bench.host.storage.startPool(bench.host.storage.addPool({ name: 'fast', path: FAST, uuid: pool.uuid }));
  });

  it('refuses when the VM came back since the plan was made', async () => {
    await bench.converge(desiredState([web]));
    await expect(bench.apply(step)).rejects.toMatchObject({
      code: 'E_NOT_OURS',
      message: 'web on a is not purged: its mark has changed (ready)',
    });
    expect(volumesOf(bench.host)).toHaveLength(2);
  });

  it('refuses when the VM was removed a second time since the plan was made', async () => {
    await bench.converge(desiredState([web]));
    await bench.converge(desiredState(), new Date(NOW.getTime() + 1000));
    await expect(bench.apply(step)).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    expect(volumesOf(bench.host)).toHaveLength(2);
  });

  it('refuses when somebody started the VM', async () => {
    const libvirt = await bench.libvirt();
    await libvirt.domains.start(await libvirt.domains.byName('web'));
    expect(await attempt()).toMatchObject(refusal('is running: nothing is deleted'));
  });

  it('goes on for several VMs of a host at once', async () => {
    await bench.converge(desiredState([web, ...others]));
    await bench.converge(desiredState());
    const all: readonly Step[] = await purges();
    expect(all).toHaveLength(5);
    await Promise.all(all.map((one) => bench.apply([one])));
    expect(volumesOf(bench.host)).toEqual([]);
    expect(bench.host.vms()).toEqual([]);
  });

  it('is bound to the cluster that marked the VM', async () => {
    const [purge] = step;
    if (purge === undefined) throw new Error('there is a purge');
    await expect(bench.apply([{ ...purge, cluster: 'other' }])).rejects.toMatchObject({
      code: 'E_NOT_OURS',
      message: `web on a is left alone: it belongs to cluster ${CLUSTER}`,
    });
  });
});
