import { describe, expect, it } from 'vitest';
import { appliedNow } from '../../src/core/applied.ts';
import type { DesiredVm, NewVm } from '../../src/core/desired.ts';
import type { Mark } from '../../src/core/mark.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { specHash } from '../../src/core/spec-hash.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  GIB,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
} from '../builders.ts';
import { applyToModel } from '../fakes/apply-model.ts';

const CONTEXT = { now: NOW, commit: COMMIT };
const heal = desiredVm();
const report = desiredVm({ drift: 'report' });
const applied = specHash(heal);

/** What git said when all was as it said. */
function after(before: Partial<NewVm> = {}): Pick<Mark, 'applied'> {
  return { applied: appliedNow(desiredVm(before)) };
}

function judge(vm: DesiredVm, memory: Pick<Mark, 'spec' | 'applied'>, found: Partial<ObservedVm> = {}) {
  const seen = observedVm({ mark: mark(memory), ...found });
  const desired = desiredState([vm]);
  const observed = observedState(knownHost('a', [seen]));
  const { steps, held } = plan(desired, observed, CONTEXT);
  const next = plan(desired, applyToModel(observed, steps), CONTEXT);
  return {
    steps: steps.map(({ kind }) => kind),
    held: held.map(({ kind, because }) => `${kind}: ${because}`),
    next: [...next.steps, ...next.held].map(({ kind }) => kind),
  };
}

const small = { vcpus: 1 };
const off = { power: 'shutoff' } as const;

const OLD = {};
const AS_BEFORE = [
  { memory: after(), name: 'field by field' },
  { memory: { spec: applied }, name: 'as a whole, by an older version' },
];

describe.each(AS_BEFORE)('a difference on the host where git is as it was applied, $name,', ({ memory }) => {
  it.each([
    { what: 'is put back', vm: heal, found: small, steps: ['resize'], held: [], next: [] },
    {
      what: 'is reported',
      vm: report,
      found: { ...small, ...off },
      steps: [],
      held: ['resize: drift', 'start: drift'],
      next: ['resize', 'start'],
    },
    { what: 'is none', vm: report, found: {}, steps: [], held: [], next: [] },
    { what: 'is none to put back', vm: heal, found: {}, steps: [], held: [], next: [] },
  ])('$what (drift: $vm.drift)', ({ vm, found, steps, held, next }) => {
    expect(judge(vm, memory, found)).toEqual({ steps, held, next });
  });

  it('keeps what git says of the mark right all the same', () => {
    const moved = desiredVm({ drift: 'report', source: { file: 'manifests/new.yaml', line: 1 } });
    expect(judge(moved, memory, small)).toEqual({
      steps: ['mark'],
      held: ['resize: drift'],
      next: ['resize'],
    });
  });
});

describe('a change in git', () => {
  it.each([
    { what: 'is applied', memory: after({ vcpus: 1 }), found: small, steps: ['resize'] },
    {
      what: 'under a mark of an older version is applied',
      memory: { spec: 'old' },
      found: small,
      steps: ['resize'],
    },
    { what: 'under a mark of version 0.1 is applied', memory: OLD, found: small, steps: ['resize'] },
    { what: 'that is so already is written down', memory: after({ vcpus: 1 }), found: {}, steps: ['mark'] },
    {
      what: 'that only lets it restart is written down',
      memory: after({ restart: 'allowed' }),
      found: {},
      steps: ['mark'],
    },
  ])('$what (drift: report)', ({ memory, found, steps }) => {
    expect(judge(report, memory, found)).toEqual({ steps, held: [], next: [] });
  });

  it('writes what is applied into the mark, and the hash of an older version out of it', () => {
    const seen = observedVm({ vcpus: 1, mark: mark({ spec: 'old' }) });
    const observed = observedState(knownHost('a', [seen]));
    const { steps } = plan(desiredState([heal]), observed, CONTEXT);
    const [host] = applyToModel(observed, steps).hosts.values();
    const written = host?.kind === 'known' ? host.vms[0]?.mark : undefined;
    expect(written).toMatchObject({ applied: appliedNow(heal), commit: COMMIT });
    expect(written).not.toHaveProperty('spec');
  });

  it.each([
    {
      what: 'leaves another field that drifted as it is',
      before: { vcpus: 1 },
      found: { vcpus: 1, ...off },
      steps: ['resize'],
      held: ['start: drift'],
    },
    {
      what: 'of the processors leaves the memory as it is',
      before: { vcpus: 1 },
      found: { vcpus: 1, memoryMiB: 1024 },
      steps: ['resize'],
      held: ['resize: drift'],
    },
    {
      what: 'of the power leaves the size as it is',
      before: { power: 'off' as const },
      found: { ...small, ...off },
      steps: ['start'],
      held: ['resize: drift'],
    },
  ])('$what, where drift is only reported', ({ before, found, steps, held }) => {
    expect(judge(report, after(before), found)).toMatchObject({ steps, held });
  });

  it('of the processors alone gives the VM no other memory', () => {
    const seen = observedVm({
      vcpus: 1,
      memoryMiB: 1024,
      maxMemoryMiB: 1024,
      mark: mark(after({ vcpus: 1 })),
    });
    const { steps, held } = plan(desiredState([report]), observedState(knownHost('a', [seen])), CONTEXT);
    expect(steps).toMatchObject([
      { kind: 'resize', reason: 'vcpus 1 -> 2', to: { vcpus: 2, memoryMiB: 1024, maxMemoryMiB: 1024 } },
    ]);
    expect(held).toMatchObject([
      { because: 'drift', reason: 'memory MiB 1024 -> 2048, max memory MiB 1024 -> 4096' },
    ]);
  });

  it('that is held leaves the rest applied, and is one still', () => {
    const disk = (sizeGiB: number) => ({ target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB });
    const wanted = desiredVm({ drift: 'report', vcpus: 1, dataDisks: [disk(1)] });
    const has = observedVm();
    const disks = [...has.disks, { target: 'vdb', file: '/pool/web-vdb.qcow2', capacity: 3 * GIB }];
    const volumes = [
      ...mark().volumes,
      { target: 'vdb', pool: 'default', name: 'web-vdb.qcow2', made: true },
    ];
    const before = { ...after({ dataDisks: [disk(3)] }), volumes };
    const observed = observedState(knownHost('a', [{ ...has, disks, mark: mark(before) }]));
    const first = plan(desiredState([wanted]), observed, CONTEXT);
    expect(first).toMatchObject({ steps: [{ kind: 'resize' }], held: [{ because: 'change' }] });
    const [host] = applyToModel(observed, first.steps).hosts.values();
    const drifted = host?.kind === 'known' ? host.vms.map((one) => ({ ...one, vcpus: 2 })) : [];
    const next = plan(desiredState([wanted]), observedState(knownHost('a', drifted)), CONTEXT);
    expect(next.steps).toEqual([]);
    expect(next.held.map(({ because }) => because).toSorted()).toEqual(['change', 'drift']);
  });

  it('is what brings a removed VM back', () => {
    const removed = { mark: { ...mark({ state: 'tombstone' }), ...after() }, ...off };
    expect(judge(report, OLD, removed)).toEqual({ steps: ['restore', 'start'], held: [], next: [] });
  });
});

describe('a mark of version 0.1', () => {
  it.each([
    { vm: heal, steps: [] },
    { vm: report, steps: ['mark'] },
  ])('learns what is applied where drift is to be told (drift: $vm.drift)', ({ vm, steps }) => {
    expect(judge(vm, OLD)).toEqual({ steps, held: [], next: [] });
  });
});

describe('the hash of what git declares', () => {
  it.each([
    { what: 'the file', other: desiredVm({ source: { file: 'b.yaml', line: 9 } }) },
    { what: 'protection', other: desiredVm({ protect: true }) },
    { what: 'the drift policy', other: report },
    {
      what: 'the image that its disk was made of',
      other: desiredVm({ bootDisk: { ...heal.bootDisk, image: { name: 'x', pool: 'p', volume: 'v' } } }),
    },
  ])('does not change with $what', ({ other }) => {
    expect(specHash(other)).toBe(applied);
  });

  it.each([
    { vcpus: 3 },
    { power: 'off' as const },
    { dataDisks: [{ target: 'vdb', pool: 'default', volume: 'v', sizeGiB: 1 }] },
  ])('changes with %j', (change) => {
    expect(specHash(desiredVm(change))).not.toBe(applied);
  });
});
