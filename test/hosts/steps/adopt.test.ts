import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../../src/core/desired.ts';
import type { AdoptStep } from '../../../src/core/step.ts';
import { renderVolume } from '../../../src/core/volume-xml.ts';
import { adoptedVm, desiredState, desiredVm, GIB } from '../../builders.ts';
import { ours, useBench, volumesOf } from '../bench.ts';
import { type HandMade, makeByHand } from '../hand-made.ts';

const bench = useBench();
const UUID = adoptedVm().uuid;
const web: HandMade = { name: 'web', uuid: UUID, disks: { vda: '/pool/web.img', vdb: '/fast/data.img' } };
const disks = [
  { target: 'vda', pool: 'default', volume: 'web.img', sizeGiB: 2 },
  { target: 'vdb', pool: 'fast', volume: 'data.img', sizeGiB: 2 },
];

function declared(change: Partial<DesiredVm> = {}) {
  return desiredState([adoptedVm({ dataDisks: disks, power: 'on', autostart: true, ...change })]);
}

async function make(change: Partial<HandMade> = {}): Promise<void> {
  await makeByHand(bench.host, await bench.libvirt(), { ...web, ...change, running: true });
}

async function adoptStep(): Promise<AdoptStep> {
  const [step] = (await bench.plan(declared())).steps;
  if (step?.kind !== 'adopt') throw new Error(`${step?.kind} is planned`);
  return step;
}

async function xmlWithoutMark(): Promise<string> {
  const { domains } = await bench.libvirt();
  const text = await domains.xml(await domains.byName('web'), { inactive: true });
  return text.replace(/ *<metadata>.*<\/metadata>\n/s, '');
}

describe('adopt', () => {
  it('marks a running VM, whose definition and run it leaves as they are', async () => {
    await make();
    const before = await xmlWithoutMark();
    const { domains } = await bench.libvirt();
    const run = (await domains.byName('web')).id;
    expect(await bench.converge(declared())).toEqual(['adopt web']);
    expect(await xmlWithoutMark()).toBe(before);
    expect((await domains.byName('web')).id).toBe(run);
    expect(ours(await bench.observe()).mark).toMatchObject({
      uuid: UUID,
      state: 'ready',
      volumes: [
        { target: 'vda', pool: 'default', name: 'web.img' },
        { target: 'vdb', pool: 'fast', name: 'data.img' },
      ],
    });
  });

  it('is safe to repeat', async () => {
    await make();
    const step = await adoptStep();
    await bench.apply([step, step]);
    expect((await bench.plan(declared())).steps).toEqual([]);
  });

  it('has a removed VM come back with its disks, and a purge delete them and no others', async () => {
    await make();
    await bench.converge(declared());
    expect(await bench.converge(desiredState())).toEqual(['remove web']);
    expect(await bench.converge(declared())).toEqual(['restore web', 'start web']);
    await bench.converge(desiredState());
    const later = new Date('2026-05-01T00:00:00.000Z');
    expect(await bench.converge(desiredState(), later)).toEqual(['purge web']);
    expect(volumesOf(bench.host)).toEqual([]);
  });

  it('does not take a disk for the VM’s own that is the backing file of another volume', async () => {
    await make();
    const { pools, volumes } = await bench.libvirt();
    const overlay = renderVolume('overlay.qcow2', 2 * GIB, { path: '/fast/data.img', format: 'qcow2' });
    await volumes.create(await pools.byName('default'), overlay);
    await bench.converge(declared());
    expect(ours(await bench.observe()).mark.volumes).toMatchObject([{ target: 'vda', name: 'web.img' }]);
  });

  it('refuses what somebody has marked since it was planned, or named otherwise', async () => {
    await make();
    const step = await adoptStep();
    await bench.apply([{ ...step, cluster: 'other', mark: { ...step.mark, cluster: 'other' } }]);
    await expect(bench.apply([step])).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    await expect(bench.apply([{ ...step, vm: 'db' }])).rejects.toMatchObject({ code: 'E_NOT_OURS' });
  });

  it('takes a clone of a VM of ours, and leaves the original its disks', async () => {
    const original = desiredVm({ name: 'old', power: 'off', autostart: false });
    await bench.converge(desiredState([original]));
    const { domains } = await bench.libvirt();
    const xml = await domains.xml(await domains.byName('old'), { inactive: true });
    const metadata = /<metadata>.*<\/metadata>/s.exec(xml)?.[0] ?? '';
    await make({ metadata });
    const both = desiredState([original, adoptedVm({ dataDisks: disks })]);
    expect(await bench.converge(both)).toEqual(['adopt web']);
    expect(ours(await bench.observe()).mark.volumes.map(({ name }) => name)).toEqual(['web.img', 'data.img']);
  });

  it('has git take away one of two disks on the same volume, and leaves the VM the other', async () => {
    await make({ disks: { vda: '/pool/web.img', vdb: '/pool/web.img' } });
    const both = ['vda', 'vdb'].map((target) => ({ target, pool: 'default', volume: 'web.img', sizeGiB: 2 }));
    await bench.converge(declared({ dataDisks: both }));
    const [vda] = both;
    if (vda === undefined) throw new Error('no disk');
    const without = declared({ dataDisks: [vda] });
    await bench.converge(without);
    const found = ours(await bench.observe());
    expect(found.disks).toMatchObject([{ target: 'vda', file: '/pool/web.img' }]);
    expect(
      found.mark.volumes.map(({ target, retained }) => `${target} ${retained ? 'kept' : 'in use'}`),
    ).toEqual(['vda in use', 'vdb kept']);
    const { steps, held } = await bench.plan(without, new Date('2027-01-01T00:00:00Z'));
    expect({ steps: steps.length, held: held.map(({ kind }) => kind) }).toEqual({
      steps: 0,
      held: ['reclaim'],
    });
    expect(volumesOf(bench.host)).toContain('default/web.img');
  });
});
