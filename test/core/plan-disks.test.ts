import { describe, expect, it } from 'vitest';
import { formatIssue } from '../../src/core/issue.ts';
import type { Mark, MarkedVolume } from '../../src/core/mark.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { shrinkIssues } from '../../src/core/shrink.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  GIB,
  inWords,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
  stranger,
} from '../builders.ts';

const context = { now: NOW, commit: COMMIT };
const vda: MarkedVolume = { target: 'vda', pool: 'default', name: 'web-vda.qcow2', made: true };
const vdb: MarkedVolume = { target: 'vdb', pool: 'default', name: 'web-vdb.qcow2', made: true };
const kept = (purgeAfter: string): MarkedVolume => ({
  ...vdb,
  retained: { at: '2026-02-22T12:00:00.000Z', purgeAfter, commit: 'dead' },
});
const LATER = '2026-03-08T12:00:00.000Z';
const PAST = '2026-03-01T11:00:00.000Z';

interface Situation {
  readonly sizeGiB?: number | undefined;
  readonly bootGiB?: number;
  readonly volumes?: readonly MarkedVolume[];
  /** GiB of the disk vdb that is attached; `unreadable`: a busy VM does not tell. */
  readonly attached?: number | 'unreadable';
  /** GiB of the volume web-vdb.qcow2 in the pool, while it is not attached. */
  readonly stored?: number;
  readonly file?: string;
  readonly found?: Partial<ObservedVm>;
  readonly others?: readonly ObservedVm[];
}

function situation(given: Situation) {
  const { sizeGiB, bootGiB, volumes = [vda], attached, stored, file = '/pool/web-vdb.qcow2' } = given;
  const { bootDisk } = desiredVm();
  const web = desiredVm({
    dataDisks:
      sizeGiB === undefined ? [] : [{ target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB }],
    ...(bootGiB !== undefined && { bootDisk: { ...bootDisk, sizeGiB: bootGiB } }),
  });
  const found = observedVm({
    mark: mark({ volumes }),
    disks: [
      { target: 'vda', file: '/pool/web-vda.qcow2', capacity: 2 * GIB },
      ...(attached === undefined
        ? []
        : [{ target: 'vdb', file, ...(attached !== 'unreadable' && { capacity: attached * GIB }) }]),
    ],
    ...given.found,
  });
  const host = knownHost('a', [found, ...(given.others ?? [])], {
    volumes: new Map([
      ['default/debian.qcow2', { capacity: 2 * GIB, allocation: GIB }],
      ...(stored === undefined
        ? []
        : [['default/web-vdb.qcow2', { capacity: stored * GIB, allocation: GIB }] as const]),
    ]),
  });
  return { desired: desiredState([web]), observed: observedState(host) };
}

const ROWS: readonly (Situation & { what: string; steps?: string[]; held?: string[] })[] = [
  {
    what: 'grows a disk that git wants larger',
    sizeGiB: 20,
    volumes: [vda, vdb],
    attached: 10,
    steps: ['grow'],
  },
  { what: 'grows the boot disk', bootGiB: 4, steps: ['grow'] },
  {
    what: 'grows a disk that it did not make',
    sizeGiB: 20,
    attached: 10,
    file: '/srv/old.raw',
    steps: ['grow'],
  },
  { what: 'leaves a disk of the right size alone', sizeGiB: 10, volumes: [vda, vdb], attached: 10 },
  { what: 'takes less than a MiB for no difference', sizeGiB: 10, attached: 10.000001 },
  {
    what: 'takes an unreadable size for no difference',
    sizeGiB: 10,
    volumes: [vda, vdb],
    attached: 'unreadable',
  },
  { what: 'holds a disk that would have to shrink', sizeGiB: 5, attached: 10, held: ['change: grow'] },
  { what: 'attaches a new disk', sizeGiB: 10, steps: ['attach'] },
  {
    what: 'goes on where an attach was cut short before the volume was made',
    sizeGiB: 10,
    volumes: [vda, { ...vdb, made: false }],
    steps: ['attach'],
  },
  {
    what: 'takes a kept volume back',
    sizeGiB: 10,
    volumes: [vda, kept(LATER)],
    stored: 10,
    steps: ['attach'],
  },
  {
    what: 'takes a kept volume back on the day on which it would be deleted',
    sizeGiB: 10,
    volumes: [vda, kept(PAST)],
    stored: 10,
    steps: ['attach'],
  },
  {
    what: 'does not take back a kept volume that is larger',
    sizeGiB: 5,
    volumes: [vda, kept(LATER)],
    stored: 10,
    held: ['change: grow'],
  },
  {
    what: 'makes no new disk in the place of a kept one that is gone',
    sizeGiB: 10,
    volumes: [vda, kept(LATER)],
    held: ['conflict: attach'],
  },
  {
    what: 'does not take back what another VM uses by now',
    sizeGiB: 10,
    volumes: [vda, kept(LATER)],
    stored: 10,
    others: [stranger({ disks: [{ target: 'vda', file: '/pool/web-vdb.qcow2' }] })],
    held: ['conflict: attach'],
  },
  { what: 'detaches a disk of ours that git drops', volumes: [vda, vdb], attached: 10, steps: ['detach'] },
  {
    what: 'keeps the volume of a disk that somebody detached, and that git drops',
    volumes: [vda, vdb],
    stored: 10,
    steps: ['detach'],
  },
  {
    what: 'attaches again what somebody detached',
    sizeGiB: 10,
    volumes: [vda, vdb],
    stored: 10,
    steps: ['attach'],
  },
  { what: 'leaves a disk alone that somebody attached', attached: 10 },
  {
    what: 'does not detach a file that is not the one it made',
    volumes: [vda, vdb],
    attached: 10,
    file: '/pool/web-vdb.snap1',
    held: ['conflict: detach'],
  },
  { what: 'keeps a volume until its date', volumes: [vda, kept(LATER)], stored: 10 },
  { what: 'deletes a kept volume on its date', volumes: [vda, kept(PAST)], stored: 10, steps: ['reclaim'] },
  {
    what: 'deletes no kept volume that another VM uses',
    volumes: [vda, kept(PAST)],
    stored: 10,
    others: [stranger({ disks: [{ target: 'vda', file: '/pool/web-vdb.qcow2' }] })],
    held: ['conflict: reclaim'],
  },
  {
    what: 'deletes no kept volume that the guest has not let go of',
    volumes: [vda, kept(PAST)],
    stored: 10,
    found: { liveDevices: { disks: [{ target: 'vdb', file: '/pool/web-vdb.qcow2' }], nics: [] } },
    held: ['conflict: reclaim'],
  },
  {
    what: 'makes no new boot disk',
    found: { disks: [] },
    held: ['conflict: update'],
  },
];

describe('the disks of a VM that is there', () => {
  it.each(ROWS)('$what', ({ steps = [], held = [], ...given }) => {
    const { desired, observed } = situation(given);
    const outcome = plan(desired, observed, context);
    expect(inWords(outcome.steps)).toEqual(steps.map((kind) => `${kind} web on a`));
    expect(outcome.held.map(({ because, kind }) => `${because}: ${kind}`)).toEqual(held);
  });

  it('says of a disk in another pool that it stays there, where the manifest names the pool', () => {
    const data = { target: 'vdb', pool: 'fast', volume: 'web-vdb.qcow2', sizeGiB: 10 };
    const { observed } = situation({ volumes: [vda, vdb], attached: 10 });
    const heldFor = (disk: typeof data & { poolIsDeclared?: boolean }) =>
      plan(desiredState([desiredVm({ dataDisks: [disk] })]), observed, context).held.map(
        ({ reason }) => reason,
      );
    expect(heldFor(data)).toEqual([]);
    expect(heldFor({ ...data, poolIsDeclared: true })).toEqual([
      'disk vdb is in pool default, and git says fast: a disk stays in its pool; put git back',
    ]);
  });

  it('keeps a dropped disk for as many days as a removed VM', () => {
    const { desired, observed } = situation({ volumes: [vda, vdb], attached: 10 });
    const [step] = plan(desired, observed, context).steps;
    expect(step).toMatchObject({
      retention: { at: NOW.toISOString(), purgeAfter: '2026-03-08T12:00:00.000Z', commit: COMMIT },
      reason: 'vdb is gone from git; web-vdb.qcow2 is kept until 2026-03-08',
    });
  });
});

describe('a commit that would shrink a disk', () => {
  const issues = (given: Situation) => {
    const { desired, observed } = situation(given);
    return shrinkIssues(desired, observed).map(formatIssue);
  };

  it.each([
    { what: 'an attached disk', given: { sizeGiB: 5, volumes: [vda, vdb], attached: 10 } },
    { what: 'a kept volume', given: { sizeGiB: 5, volumes: [vda, kept(LATER)], stored: 10 } },
  ])('is wrong, with both sizes: $what', ({ given }) => {
    expect(issues(given)).toEqual([
      'manifests/web.yaml:4: web: disk vdb has 10 GiB on a, and git wants 5 GiB: a disk does not shrink ' +
        '(write at least 10 GiB; for less, move the data to a new disk and drop this one)',
    ]);
  });

  it.each<{ what: string; given: Situation; mark?: Partial<Mark> }>([
    { what: 'the size cannot be read', given: { sizeGiB: 5, attached: 'unreadable' } },
    {
      what: 'the VM is not ours',
      given: { sizeGiB: 5, attached: 10, found: { mark: mark({ cluster: 'other' }) } },
    },
    { what: 'the disk grows', given: { sizeGiB: 15, attached: 10 } },
  ])('is not meant where $what', ({ given }) => {
    expect(issues(given)).toEqual([]);
  });

  it('is not what a default of cluster.yaml makes of a larger boot disk', () => {
    const { observed } = situation({});
    const bootDisk = { ...desiredVm().bootDisk, sizeGiB: 1, sizeIsDefault: true };
    const desired = desiredState([desiredVm({ bootDisk })]);
    expect(shrinkIssues(desired, observed)).toEqual([]);
    expect(plan(desired, observed, context)).toEqual({ steps: [], held: [] });
  });
});

describe('the disks of a VM with snapshots', () => {
  const snapshots = [
    {
      name: 'before-upgrade',
      at: '2026-02-22T12:00:00.000Z',
      by: 'command',
      state: 'ready',
      disks: [{ target: 'vda', pool: 'default', overlay: 'web-vda.before-upgrade.qcow2' }],
    },
  ] as const;
  const found = observedVm({
    mark: { ...mark({ volumes: [vda] }), snapshots },
    disks: [{ target: 'vda', file: '/pool/web-vda.before-upgrade.qcow2', capacity: 2 * GIB }],
  });
  const planFor = (web: ReturnType<typeof desiredVm>) =>
    plan(desiredState([web]), observedState(knownHost('a', [found])), context);

  it('neither grow nor come until the snapshots are merged, and the plan says how', () => {
    const { bootDisk } = desiredVm();
    const vdbDisk = { target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB: 5 };
    const { steps, held } = planFor(
      desiredVm({ dataDisks: [vdbDisk], ...(bootDisk && { bootDisk: { ...bootDisk, sizeGiB: 10 } }) }),
    );
    expect(inWords(steps)).toEqual([]);
    expect(inWords(held).toSorted()).toEqual(['attach web on a', 'grow web on a']);
    for (const { reason } of held) expect(reason).toContain('merge its snapshots first (before-upgrade)');
  });

  it('are left alone where git wants them as they are', () => {
    expect(planFor(desiredVm())).toMatchObject({ steps: [], held: [] });
  });
});
