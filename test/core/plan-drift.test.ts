import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { specHash } from '../../src/core/spec-hash.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
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

function judge(vm: DesiredVm, spec: string | undefined, found: Partial<ObservedVm> = {}) {
  const seen = observedVm({ mark: mark(spec === undefined ? {} : { spec }), ...found });
  const desired = desiredState([vm]);
  const observed = observedState(knownHost('a', [seen]));
  const { steps, held } = plan(desired, observed, CONTEXT);
  const after = plan(desired, applyToModel(observed, steps), CONTEXT);
  return {
    steps: steps.map(({ kind }) => kind),
    held: held.map(({ kind, because }) => `${kind}: ${because}`),
    next: [...after.steps, ...after.held].map(({ kind }) => kind),
  };
}

const small = { vcpus: 1 };
const off = { power: 'shutoff' } as const;

describe('a difference between git and the host', () => {
  it.each([
    { what: 'is put back', vm: heal, spec: applied, found: small, steps: ['resize'], held: [], next: [] },
    {
      what: 'is reported',
      vm: report,
      spec: applied,
      found: { ...small, ...off },
      steps: [],
      held: ['resize: drift', 'start: drift'],
      next: ['resize', 'start'],
    },
    {
      what: 'that git made is applied',
      vm: report,
      spec: 'old',
      found: { ...small, ...off },
      steps: ['resize', 'start'],
      held: [],
      next: [],
    },
    {
      what: 'under an older mark is applied',
      vm: report,
      spec: undefined,
      found: small,
      steps: ['resize'],
      held: [],
      next: [],
    },
  ])('$what (drift: $vm.drift, applied: $spec)', ({ vm, spec, found, steps, held, next }) => {
    expect(judge(vm, spec, found)).toEqual({ steps, held, next });
  });

  it.each([
    { what: 'nothing is written where nothing changed', vm: heal, spec: applied, steps: [] },
    { what: 'an older mark is left as it is', vm: heal, spec: undefined, steps: [] },
    {
      what: 'an older mark learns what is applied where drift is to be reported',
      vm: report,
      spec: undefined,
      steps: ['mark'],
    },
    { what: 'a change in git that is so already is written down', vm: heal, spec: 'old', steps: ['mark'] },
  ])('is none: $what', ({ vm, spec, steps }) => {
    expect(judge(vm, spec)).toEqual({ steps, held: [], next: [] });
  });

  it('keeps what git says of the mark right all the same', () => {
    const moved = desiredVm({ drift: 'report', source: { file: 'manifests/new.yaml', line: 1 } });
    expect(judge(moved, applied, small)).toEqual({
      steps: ['mark'],
      held: ['resize: drift'],
      next: ['resize'],
    });
  });

  it('is no drift where a removed VM comes back', () => {
    const removed = { mark: { ...mark({ state: 'tombstone' }), spec: applied }, ...off };
    expect(judge(report, undefined, removed)).toEqual({ steps: ['restore', 'start'], held: [], next: [] });
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
