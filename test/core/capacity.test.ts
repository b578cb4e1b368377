import { describe, expect, it } from 'vitest';
import { assess } from '../../src/core/assess.ts';
import { holdForCapacity, shortageIssues } from '../../src/core/capacity-check.ts';
import type { DesiredVm, HostPolicy } from '../../src/core/desired.ts';
import type { KnownHost, ObservedVm } from '../../src/core/observed.ts';
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
  pool as observedPool,
  observedState,
  observedVm,
  stranger,
  unknownHost,
} from '../builders.ts';

interface Case {
  readonly git?: readonly DesiredVm[];
  readonly vms?: readonly ObservedVm[];
  readonly policy?: Partial<HostPolicy>;
  readonly host?: Partial<KnownHost>;
  readonly maxRemovals?: number;
}

function judge({ git = [], vms = [], policy, host, maxRemovals = 5 }: Case) {
  const desired = desiredState(git, { hosts: [hostPolicy('a', policy)], policy: { maxRemovals } });
  const observed = observedState(knownHost('a', vms, host));
  const assessment = assess(desired, observed, { now: NOW, commit: COMMIT });
  const [measured] = assessment.capacity;
  if (measured === undefined) throw new Error('host a was not measured');
  const issues = shortageIssues(assessment.shortages, desired, observed);
  return { ...measured, plan: assessment.plan, shortages: assessment.shortages, issues };
}

const gib = (size: number) => ({ memoryMiB: size * 1024, maxMemoryMiB: size * 1024 });

describe('the capacity of a host', () => {
  it('is what it has, less its reserve, times its ratio', () => {
    const policy = {
      reserve: { vcpus: 2, memoryMiB: 2048, diskGiB: 10 },
      ratio: { vcpu: 3, memory: 1.5, disk: 2 },
    };
    const { vcpus, memoryMiB, pools } = judge({ policy });
    expect(vcpus).toEqual({ total: 8, limit: 18, used: 0, wanted: 0 });
    expect(memoryMiB).toEqual({ total: 32_768, limit: 46_080, used: 0, wanted: 0 });
    expect(pools).toEqual([
      { name: 'default', total: 100 * GIB, limit: 180 * GIB, used: 20 * GIB, wanted: 20 * GIB },
    ]);
  });

  it.each<Case & { name: string; used: number; wanted: number }>([
    {
      name: 'a running VM of ours that is in git',
      git: [desiredVm()],
      vms: [observedVm()],
      used: 2048,
      wanted: 2048,
    },
    { name: 'a new VM', git: [desiredVm()], used: 0, wanted: 2048 },
    { name: 'a new VM that a person starts', git: [desiredVm({ power: 'manual' })], used: 0, wanted: 2048 },
    {
      name: 'no VM that is to stay off',
      git: [desiredVm({ power: 'off', autostart: false })],
      used: 0,
      wanted: 0,
    },
    { name: 'a running stranger', vms: [stranger()], used: 2048, wanted: 2048 },
    {
      name: 'a stranger that starts with the host',
      vms: [stranger({ power: 'shutoff', autostart: true })],
      used: 2048,
      wanted: 2048,
    },
    {
      name: 'no stranger that is off and stays off',
      vms: [stranger({ power: 'shutoff', autostart: false })],
      used: 0,
      wanted: 0,
    },
    { name: 'a paused stranger', vms: [stranger({ power: 'paused' })], used: 2048, wanted: 2048 },
    {
      name: 'no VM that is to be removed',
      git: [desiredVm({ name: 'db' })],
      vms: [observedVm()],
      used: 2048,
      wanted: 2048,
    },
    { name: 'a VM whose removal waits', vms: [observedVm()], used: 2048, wanted: 2048 },
    {
      name: 'no tombstone that is off',
      git: [desiredVm({ name: 'db', power: 'off', autostart: false })],
      vms: [observedVm({ power: 'shutoff', mark: mark({ state: 'tombstone' }) })],
      used: 0,
      wanted: 0,
    },
    {
      name: 'a tombstone that somebody started',
      vms: [observedVm({ mark: mark({ state: 'tombstone' }) })],
      used: 2048,
      wanted: 2048,
    },
    {
      name: 'a VM whose move to another host waits',
      git: [desiredVm({ host: 'b' })],
      vms: [observedVm()],
      used: 2048,
      wanted: 2048,
    },
    {
      name: 'a VM as git has it, where that is smaller: it is made smaller',
      git: [desiredVm(gib(1))],
      vms: [observedVm()],
      used: 2048,
      wanted: 1024,
    },
    {
      name: 'a VM as git has it, where that is larger',
      git: [desiredVm(gib(4))],
      vms: [observedVm()],
      used: 2048,
      wanted: 4096,
    },
  ])('counts $name', ({ used, wanted, ...given }) => {
    expect(judge(given).memoryMiB).toMatchObject({ used, wanted });
  });

  it('names the strangers that it counts', () => {
    expect(judge({ vms: [stranger(), observedVm()] }).strangers).toEqual(['theirs']);
  });

  it('counts what thin disks may still grow to, and what is to be made', () => {
    const thin = observedVm({
      disks: [{ target: 'vda', file: '/pool/web-vda.qcow2', capacity: 30 * GIB, physical: GIB }],
    });
    const db = desiredVm({
      name: 'db',
      dataDisks: [{ target: 'vdb', pool: 'default', volume: 'db-vdb.qcow2', sizeGiB: 7 }],
    });
    const [amount] = judge({ git: [desiredVm(), db], vms: [thin] }).pools;
    expect(amount).toMatchObject({ used: (20 + 29) * GIB, wanted: (20 + 29 + 2 + 7) * GIB });
  });

  it('counts a disk in another folder for no pool', () => {
    const elsewhere = stranger({
      disks: [{ target: 'vda', file: '/poolside/x', capacity: 50 * GIB, physical: 0 }],
    });
    expect(judge({ vms: [elsewhere] }).pools[0]?.used).toBe(20 * GIB);
  });

  it('counts the disks of an unfinished VM once', () => {
    const disks = [{ target: 'vda', file: '/pool/web-vda.qcow2', capacity: 2 * GIB, physical: GIB }];
    const building = observedVm({ power: 'shutoff', disks, mark: mark({ state: 'building' }) });
    const [amount] = judge({ git: [desiredVm()], vms: [building] }).pools;
    expect(amount?.wanted).toBe(amount?.used);
  });

  it('says nothing of a host that does not answer', () => {
    const observed = observedState(unknownHost('a'));
    expect(assess(desiredState([desiredVm()]), observed, { now: NOW, commit: COMMIT }).capacity).toEqual([]);
  });
});

describe('what is not there yet', () => {
  const sha256 = 'ab'.repeat(32);
  const content = { url: 'https://x/y', sha256, format: 'qcow2' } as const;
  const brought = { name: 'debian', pool: 'default', volume: 'base-abababababababab.qcow2', content };
  const made = (name: string, pool = 'default') =>
    desiredVm({
      name,
      bootDisk: { ...desiredVm().bootDisk, pool, volume: `${name}-vda.qcow2`, image: brought },
    });
  const images = new Map([[sha256, { bytes: GIB, capacity: 3 * GIB }]]);
  const volumes = new Map([
    ['default/base-abababababababab.qcow2', { capacity: 3 * GIB, allocation: GIB, verified: true }],
  ]);

  it.each<{ what: string; git: DesiredVm[]; vms?: ObservedVm[]; host: Partial<KnownHost>; wanted: number }>([
    { what: 'once for all its new VMs', git: [made('web'), made('db')], host: { images }, wanted: 27 },
    { what: 'no more once it is there', git: [made('web')], host: { images, volumes }, wanted: 23 },
    {
      what: 'not for VMs that are there',
      git: [made('web')],
      vms: [observedVm({ disks: [] })],
      host: { images },
      wanted: 20,
    },
    {
      what: 'less what came of it before it was cut short',
      git: [made('web')],
      host: {
        images,
        volumes: new Map([
          [
            'default/base-abababababababab.qcow2',
            { capacity: GIB / 2, allocation: GIB / 2, verified: false },
          ],
        ]),
      },
      wanted: 21,
    },
  ])('counts an image $what', ({ wanted, ...given }) => {
    const { pools, unknown } = judge(given);
    expect(pools[0]?.wanted).toBe(wanted * GIB);
    expect(unknown).toEqual([]);
  });

  it('refuses a commit whose images have no room', () => {
    const large = new Map([[sha256, { bytes: 78 * GIB, capacity: 3 * GIB }]]);
    const { shortages } = judge({ git: [made('web')], host: { images: large } });
    expect(shortages).toMatchObject([{ message: expect.stringContaining('pool default 101 GiB wanted') }]);
  });

  it('says which image has a size that nobody knows', () => {
    expect(judge({ git: [made('web'), made('db')], host: { volumes: new Map() } }).unknown).toEqual([
      'image debian is to be brought, and how large it is shows once it is fetched',
    ]);
  });

  it.each([
    ['is not there yet', [observedPool()]],
    [
      'is not active',
      [
        observedPool(),
        observedPool({ name: 'fast', path: '/fast', active: false, capacity: 0, available: 0 }),
      ],
    ],
  ])('says which pool has room that nobody knows: one that %s', (state, pools) => {
    const data = { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 40 };
    const host = { images, pools: new Map(pools.map((one) => [one.name, one])) };
    const unknown = [`pool fast ${state}: its room is not known, and git wants 40 GiB of it`];
    expect(judge({ git: [{ ...made('web'), dataDisks: [data] }], host }).unknown).toEqual(unknown);
    const there = { git: [desiredVm({ dataDisks: [data] })], vms: [observedVm()], host };
    expect(judge(there).unknown).toEqual(unknown);
    const attached = observedVm({
      disks: [...observedVm().disks, { target: 'vdb', file: '/fast/web-vdb.qcow2', capacity: 40 * GIB }],
    });
    expect(judge({ ...there, vms: [attached] }).unknown).toEqual([]);
  });
});

describe('a commit', () => {
  it('is refused with the numbers, at the first new VM of the host', () => {
    const big = desiredVm({ name: 'big', ...gib(31), source: { file: 'manifests/big.yaml', line: 9 } });
    const { issues } = judge({ git: [desiredVm(), big], vms: [observedVm(), stranger()] });
    expect(issues).toEqual([
      {
        file: 'manifests/big.yaml',
        line: 9,
        message:
          'host a has no room: memory 35 GiB wanted, 32 GiB to give, 4 GiB used now (the host has 32 GiB); ' +
          'VMs that are not ours count: theirs',
      },
    ]);
  });

  it.each<Case & { name: string; short: string[] }>([
    { name: 'fits to the last MiB', git: [desiredVm(gib(32))], short: [] },
    { name: 'is over by one vcpu', git: [desiredVm({ vcpus: 33 })], short: ['vcpus 33 wanted, 32 to give'] },
    {
      name: 'is over in a pool',
      git: [
        desiredVm({ dataDisks: [{ target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB: 79 }] }),
      ],
      short: ['pool default 101 GiB wanted, 100 GiB to give'],
    },
    {
      name: 'finds its host over full, and takes nothing more',
      git: [desiredVm()],
      vms: [observedVm(), stranger(gib(40))],
      short: [],
    },
    {
      name: 'finds its host over full, and removes a VM',
      git: [desiredVm()],
      vms: [observedVm(), observedVm({ name: 'db' }), stranger(gib(40))],
      short: [],
    },
    {
      name: 'takes more of a host that is over full',
      git: [desiredVm(), desiredVm({ name: 'db' })],
      vms: [observedVm(), stranger(gib(40))],
      short: ['memory 44 GiB wanted, 32 GiB to give'],
    },
    {
      name: 'wants the room of a VM whose removal is guarded',
      git: [desiredVm(gib(30))],
      vms: [observedVm({ name: 'db', ...gib(30) })],
      maxRemovals: 0,
      short: ['memory 60 GiB wanted'],
    },
    {
      name: 'gives the room of a removed VM to another',
      git: [desiredVm(gib(30))],
      vms: [observedVm({ name: 'db', ...gib(30) })],
      short: [],
    },
  ])('that $name', ({ short, ...given }) => {
    const messages = judge(given).shortages.map(({ message }) => message);
    expect(messages).toEqual(short.map((part) => expect.stringContaining(part)));
  });
});

describe('a revision in force on a host that became too full', () => {
  it('holds back what would fill it further and lets the rest go on', () => {
    const git = [desiredVm(gib(31)), desiredVm({ name: 'db', power: 'off', autostart: true })];
    const vms = [observedVm({ name: 'db' }), stranger(gib(20))];
    const { plan, shortages } = judge({ git, vms });
    const todo = holdForCapacity(plan, shortages);
    expect(inWords(todo.steps)).toEqual(['stop db on a']);
    expect(inWords(todo.held)).toEqual(['create web on a', 'start web on a']);
    expect(todo.held.every(({ because }) => because === 'capacity')).toBe(true);
  });
});

describe('disks of a VM that is there', () => {
  const volume = (target: string) => ({ target, pool: 'default', name: `web-${target}.qcow2`, made: true });
  const disk = (sizeGiB: number) => ({ target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB });
  const attached = { target: 'vdb', file: '/pool/web-vdb.qcow2', capacity: 10 * GIB, physical: GIB };
  const boot = { target: 'vda', file: '/pool/web-vda.qcow2', capacity: 2 * GIB, physical: 2 * GIB };
  const retained = { at: '2026-02-22T12:00:00.000Z', purgeAfter: '2026-03-22T12:00:00.000Z', commit: 'dead' };
  const poolOf = (git: DesiredVm, vm: ObservedVm, host: Partial<KnownHost> = {}) =>
    judge({ git: [git], vms: [vm], host }).pools[0];

  it.each([
    { what: 'one that grows, by what it grows', sizeGiB: 15, disks: [boot, attached], used: 29, wanted: 34 },
    { what: 'one of the right size, no more', sizeGiB: 10, disks: [boot, attached], used: 29, wanted: 29 },
    { what: 'a new one, whole', sizeGiB: 15, disks: [boot], used: 20, wanted: 35 },
  ])('count $what', ({ sizeGiB, disks, used, wanted }) => {
    const pool = poolOf(desiredVm({ dataDisks: [disk(sizeGiB)] }), observedVm({ disks }));
    expect(pool).toMatchObject({ used: used * GIB, wanted: wanted * GIB });
  });

  it('count a kept one by what it does not take up yet', () => {
    const kept = mark({ volumes: [volume('vda'), { ...volume('vdb'), retained }] });
    const volumes = new Map([['default/web-vdb.qcow2', { capacity: 10 * GIB, allocation: 4 * GIB }]]);
    const vm = observedVm({ disks: [boot], mark: kept });
    expect(poolOf(desiredVm({ dataDisks: [disk(10)] }), vm, { volumes })).toMatchObject({
      wanted: 26 * GIB,
    });
  });

  it('that do not fit are mistakes of their VM, and wait where the commit is in force', () => {
    const git = [
      desiredVm({ name: 'db' }),
      desiredVm({ dataDisks: [disk(150)], source: { file: 'manifests/web.yaml', line: 9 } }),
    ];
    const vms = [observedVm({ name: 'db' }), observedVm({ power: 'shutoff' })];
    const { issues, plan, shortages } = judge({ git, vms });
    expect(issues).toMatchObject([{ file: 'manifests/web.yaml', line: 9 }]);
    const held = holdForCapacity(plan, shortages);
    expect(inWords(held.steps)).toEqual(['start web on a']);
    expect(inWords(held.held)).toEqual(['attach web on a']);
  });
});
