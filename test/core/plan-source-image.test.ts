import { describe, expect, it } from 'vitest';
import type { Image } from '../../src/core/desired.ts';
import type { KnownHost, ObservedHost, ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { asRead, withReadSources } from '../../src/core/source-images.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  GIB,
  hostPolicy,
  inWords,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
  stranger,
  unknownHost,
} from '../builders.ts';

const SHA256 = 'ab'.repeat(32);
const golden: Image = {
  name: 'golden',
  pool: 'default',
  volume: '',
  sourceVm: { name: 'centos7', host: 'b' },
};
const read = new Map([
  ['golden b/centos7', { sha256: SHA256, format: 'qcow2', at: NOW.toISOString() } as const],
]);

function centos7(change: Partial<ObservedVm> = {}): ObservedVm {
  return stranger({ name: 'centos7', power: 'shutoff', ...change });
}

function planOn(
  b: ObservedHost,
  { image = golden, a = {}, vms = [] }: { image?: Image; a?: Partial<KnownHost>; vms?: ObservedVm[] } = {},
) {
  const desired = desiredState([desiredVm({ bootDisk: { ...desiredVm().bootDisk, image } })]);
  return plan(desired, observedState(knownHost('a', vms, a), b), { now: NOW, commit: COMMIT });
}

describe('a VM that is made of the disk of another one', () => {
  it.each([
    ['runs', knownHost('b', [centos7({ power: 'running' })]), 'conflict: it is running: shut it off'],
    ['is paused', knownHost('b', [centos7({ power: 'paused' })]), 'conflict: it is paused: shut it off'],
    [
      'sleeps, its memory saved',
      knownHost('b', [centos7({ managedSave: true })]),
      'conflict: its memory was saved when it stopped',
    ],
    ['is not there', knownHost('b'), 'conflict: there is no VM of that name'],
    ['is on a host that does not answer', unknownHost('b', []), 'unknown: b does not answer'],
    [
      'has its disk in no pool',
      knownHost('b', [centos7({ disks: [{ target: 'vda', file: '/x/y.img' }] })]),
      'conflict: /x/y.img is in no active storage pool',
    ],
    [
      'has no file for a disk',
      knownHost('b', [centos7({ disks: [] })]),
      'conflict: its first disk is no file',
    ],
  ])('waits where that VM %s', (_, b, reason) => {
    const { steps, held } = planOn(b);
    const [because, text] = reason.split(': ', 2);
    expect(steps).toEqual([]);
    expect(held).toMatchObject([{ because, kind: 'create', reason: expect.stringContaining(`${text}`) }]);
  });

  it('is made where that VM is off, once the image is brought', () => {
    const { steps } = planOn(knownHost('b', [centos7()]));
    expect(inWords(steps)).toEqual(['image image golden on a', 'create web on a', 'start web on a']);
  });

  it('needs that VM no more once the operator has its disk, or the host has the image', () => {
    const image = asRead(golden, read);
    expect(planOn(knownHost('b'), { image }).steps).toEqual([]);
    const images = new Map([[SHA256, { bytes: GIB, capacity: 2 * GIB }]]);
    expect(inWords(planOn(knownHost('b'), { image, a: { images } }).steps)).toContain(
      'image image golden on a',
    );
    const volume = { capacity: 2 * GIB, allocation: GIB, verified: true };
    const volumes = new Map([['default/base-abababababababab.qcow2', volume]]);
    expect(inWords(planOn(knownHost('b'), { image, a: { volumes } }).steps)).toEqual([
      'create web on a',
      'start web on a',
    ]);
  });

  it('needs neither once its own disk is made, though the rest of it is not', () => {
    const begun = observedVm({ power: 'shutoff', mark: mark({ state: 'building' }) });
    const { steps, held } = planOn(knownHost('b'), { vms: [begun] });
    expect(held).toEqual([]);
    expect(inWords(steps)).toEqual(['create web on a', 'start web on a']);
  });
});

describe('what was read of the disks of VMs', () => {
  const desired = desiredState([desiredVm({ bootDisk: { ...desiredVm().bootDisk, image: golden } })], {
    hosts: [hostPolicy('a', { images: [golden, { ...golden, name: 'golden-2' }] })],
  });

  it('is the content of the images of that name, VM and host, and of no others', () => {
    const { vms, hosts } = withReadSources(desired, read);
    const content = { sha256: SHA256, format: 'qcow2' };
    expect(vms.get('web')?.bootDisk?.image).toMatchObject({ volume: 'base-abababababababab.qcow2', content });
    expect(hosts.get('a')?.images).toMatchObject([{ content }, { name: 'golden-2', volume: '' }]);
    expect(asRead({ ...golden, sourceVm: { name: 'centos7', host: 'c' } }, read).volume).toBe('');
  });

  it('is nothing to an image whose sha256 git names', () => {
    const pinned: Image = { ...golden, volume: 'v', content: { sha256: 'cd'.repeat(32), format: 'raw' } };
    expect(asRead(pinned, read)).toBe(pinned);
  });
});
