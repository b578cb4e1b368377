import { describe, expect, it } from 'vitest';
import type { Image } from '../../src/core/desired.ts';
import { type HostVolume, listImages, pruneProblem } from '../../src/core/image-inventory.ts';
import type { ObservedHost } from '../../src/core/observed.ts';
import { desiredState, hostPolicy, knownHost, observedVm, unknownHost } from '../builders.ts';

const NAME = 'base-0123456789abcdef.qcow2';
const content = { url: 'https://x/y', sha256: '0123456789abcdef'.repeat(4), format: 'qcow2' } as const;
const debian: Image = { name: 'debian', pool: 'default', volume: NAME, content };

function volume(change: Partial<HostVolume> = {}): HostVolume {
  const name = change.name ?? NAME;
  return {
    pool: 'default',
    name,
    path: `/pool/${name}`,
    bytes: 10,
    version: '10@1',
    checked: true,
    ...change,
  };
}

const overlay = volume({ name: 'web-vda.qcow2', backing: `/pool/${NAME}` });
const web = observedVm();

function known(volumes: Readonly<Record<string, readonly HostVolume[]>>, images: readonly Image[] = []) {
  const hosts: ObservedHost[] = ['a', 'b'].map((name) => knownHost(name, name === 'a' ? [web] : []));
  return {
    desired: desiredState([], { hosts: ['a', 'b'].map((name) => hostPolicy(name, { images })) }),
    observed: { hosts: new Map(hosts.map((host) => [host.name, host])) },
    volumes: new Map(Object.entries(volumes)),
  };
}

type Known = ReturnType<typeof known>;

describe('the list of images', () => {
  it.each([
    ['is checked, with the VMs that are made of it', [volume(), overlay], 'checked', ['web']],
    ['is not checked', [volume({ checked: false })], 'not checked', []],
    ['is not here', [], 'not here', []],
    [
      'is used by several, in whatever order libvirt lists them',
      [
        volume(),
        { ...overlay, path: '/pool/lost', name: 'zebra.qcow2' },
        { ...overlay, path: '/pool/x', name: 'ant.qcow2' },
        overlay,
      ],
      'checked',
      ['default/ant.qcow2', 'default/zebra.qcow2', 'web'],
    ],
    [
      'is used by a volume of no VM',
      [volume(), { ...overlay, path: '/pool/lost' }],
      'checked',
      ['default/web-vda.qcow2'],
    ],
  ])('says where an image that is brought %s', (_, there, presence, usedBy) => {
    const { desired, observed, volumes } = known({ a: there, b: [] }, [debian]);
    expect(listImages(desired, observed, volumes)).toMatchObject([
      { image: 'debian', host: 'a', presence, usedBy, source: 'https://x/y' },
      { host: 'b', presence: 'not here' },
    ]);
  });

  it('says where an image of yours is missing, where a VM is one, and which hosts are silent', () => {
    const mine = { name: 'mine', pool: 'default', volume: 'mine.qcow2' };
    const golden = { name: 'golden', pool: 'default', volume: '', sourceVm: { name: 'web', host: 'a' } };
    const { desired, observed, volumes } = known({ a: [volume({ name: 'mine.qcow2' })] }, [mine, golden]);
    const hosts = new Map<string, ObservedHost>(observed.hosts).set('b', unknownHost('b'));
    const list = listImages(desired, { hosts }, volumes).map(({ image, host, presence }) => [
      image,
      host,
      presence,
    ]);
    expect(list).toEqual([
      ['golden', 'a', 'not here'],
      ['golden', 'b', 'unknown'],
      ['mine', 'a', 'there'],
      ['mine', 'b', 'unknown'],
    ]);
  });

  it('ends with what operators brought and git does not name', () => {
    const { desired, observed, volumes } = known({ a: [volume(), volume({ name: 'own.qcow2' })], b: [] });
    expect(listImages(desired, observed, volumes)).toMatchObject([
      { source: 'not in git', host: 'a', volume: NAME },
    ]);
  });
});

describe('pruning', () => {
  const problem = (state: Known, what = volume()) =>
    pruneProblem(what, 'a', { ...state, desired: [state.desired] });

  it('deletes what nothing names or uses, though another host uses its own copy', () => {
    const own = volume({ version: '10@2' });
    expect(problem(known({ a: [volume()], b: [own, overlay] }))).toBeUndefined();
  });

  it.each([
    ['that git names', known({ a: [volume()], b: [] }, [debian]), 'git names it'],
    ['that something is made of', known({ a: [volume(), overlay], b: [] }), 'web would be broken'],
    [
      'that another host sees too, and has a volume that is made of it',
      known({ a: [volume()], b: [volume(), overlay] }),
      'default/web-vda.qcow2 on b would be broken',
    ],
  ])('leaves what %s', (_, state, reason) => {
    expect(problem(state)).toBe(reason);
  });

  it('leaves what no operator brought, whatever it is called', () => {
    const other = volume({ name: 'base.qcow2' });
    expect(problem(known({ a: [other], b: [] }), other)).toBe('no operator brought it');
  });

  it('waits for hosts that do not answer: they may see the same file', () => {
    const state = known({ a: [volume()] });
    const hosts = new Map<string, ObservedHost>(state.observed.hosts).set('b', unknownHost('b'));
    expect(problem({ ...state, observed: { hosts } })).toContain('host b does not answer');
  });
});
