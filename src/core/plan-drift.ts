import { type Applied, appliedNow, compareApplied, settledMark } from './applied.ts';
import type { DesiredVm } from './desired.ts';
import { type Size, sizeChange, sizeOf } from './size.ts';
import {
  type Held,
  holdBack,
  type MarkStep,
  type ResizeStep,
  type Step,
  type StepKind,
  type Verdict,
  type VmStep,
} from './step.ts';
import { fieldsOf, mayConcern } from './vm-fields.ts';

/** A VM of ours that is complete, as a step names it, and the size that it has. */
type Subject = Omit<MarkStep, 'kind' | 'reason' | 'settles'>;

/**
 * Tells drift from a change in git, field by field, by what the mark remembers of what was applied last.
 *
 *   git and the mark say  | steps | `drift` | what follows
 *   ----------------------|-------|---------|----------------------------------------------------
 *   the same              | yes   | heal    | the steps
 *   the same              | yes   | report  | held: drift; but the mark, its seed and name are kept right
 *   something else        | yes   | any     | the steps, the last of which writes what is applied
 *   something else        | no    | any     | mark: the host is so already
 *   nothing: an old mark  | yes   | any     | the steps, the last of which writes what is applied
 *   nothing: an old mark  | no    | report  | mark: from now on drift can be told
 *   nothing: an old mark  | no    | heal    | nothing; the next change brings it along
 */
export function judgeDrift(
  vm: DesiredVm,
  verdict: Verdict,
  { subject, size }: { readonly subject: Subject; readonly size: Size },
): Verdict {
  const { mark } = subject;
  const { now, before, changed } = compareApplied(vm, mark);
  const judged =
    vm.drift === 'report' && changed !== undefined ? onlyReported(verdict, { changed, size }) : verdict;
  const applied = appliedAfter(now, verdict.held, before);
  if (isSame(applied, before ?? {})) return judged;
  if (lastOf(judged.steps) !== undefined) return settle(judged, { applied, commit: mark.commit });
  const isOld = mark.spec === undefined && mark.applied === undefined;
  if (isOld && (vm.drift === 'heal' || judged.held.length > 0)) return judged;
  const reason = isOld ? 'from now on its drift is reported' : 'it is as git says by now';
  const written = settledMark(mark, { applied, commit: mark.commit });
  return { steps: [{ ...subject, kind: 'mark', reason, mark: written }, ...judged.steps], held: judged.held };
}

/** Has the last step of a VM that is made, adopted or restored write down what is applied: all that is not held. */
export function settled(vm: DesiredVm, verdict: Verdict, commit: string): Verdict {
  return settle(verdict, { applied: appliedAfter(appliedNow(vm), verdict.held), commit });
}

/** What is held stays as it was applied before, if ever. */
function appliedAfter(now: Applied, held: readonly Held[], before: Applied = {}): Applied {
  const waits = (id: string) => held.some(({ kind }) => mayConcern(kind, id));
  const all = Object.entries(now).filter(([id]) => !waits(id));
  const kept = Object.entries(before).filter(([id]) => waits(id));
  return Object.fromEntries([...kept, ...all]);
}

/** The one that completes what has fields: a guest that cannot be told its name has all the rest. */
function lastOf(steps: readonly Step[]): VmStep | undefined {
  const vmSteps = steps.filter((step) => 'vm' in step);
  return vmSteps.findLast(({ kind }) => !NO_FIELDS.includes(kind));
}

function isSame(one: Applied, other: Applied): boolean {
  const ids = Object.keys(one);
  return ids.length === Object.keys(other).length && ids.every((id) => one[id] === other[id]);
}

function settle({ steps, held }: Verdict, settles: NonNullable<VmStep['settles']>): Verdict {
  const last = lastOf(steps);
  if (last === undefined) return { steps, held };
  const done = settling(last, settles);
  return { steps: steps.map((step) => (step === last ? done : step)), held };
}

function settling(step: VmStep, settles: NonNullable<VmStep['settles']>): VmStep {
  const { kind } = step;
  if (
    kind !== 'adopt' &&
    kind !== 'create' &&
    kind !== 'mark' &&
    kind !== 'restore' &&
    kind !== 'receive' &&
    kind !== 'migrate'
  )
    return { ...step, settles };
  return { ...step, mark: settledMark(step.mark, { ...settles, commit: step.mark.commit }) };
}

/** They bring about nothing that the mark remembers field by field. */
const NO_FIELDS: readonly StepKind[] = ['seed', 'hostname', 'reclaim', 'snapshot'];
/** Nobody on a host brings these about: the mark is ours, and only we write down what a seed and a guest were told. */
const NO_DRIFT: readonly StepKind[] = ['mark', 'seed', 'hostname', 'reclaim'];

interface Judgement {
  readonly changed: ReadonlySet<string>;
  readonly size: Size;
}

function onlyReported({ steps, held }: Verdict, judgement: Judgement): Verdict {
  const judged = steps.map((step) => judgeStep(step, judgement));
  return {
    steps: judged.flatMap(({ made }) => made),
    held: [
      ...held,
      ...judged.flatMap(({ drifted }) => drifted.map((step) => holdBack(step, 'drift', step.reason))),
    ],
  };
}

function judgeStep(
  step: Step,
  { changed, size }: Judgement,
): { readonly made: readonly Step[]; readonly drifted: readonly Step[] } {
  if (!('vm' in step) || NO_DRIFT.includes(step.kind)) return { made: [step], drifted: [] };
  if (step.kind === 'resize') {
    const [made, drifted] = [true, false].map((wanted) =>
      partOf(step, { size, takes: (id) => changed.has(id) === wanted }),
    );
    return { made: made ?? [], drifted: drifted ?? [] };
  }
  const fields = fieldsOf(step);
  const isChange = fields === 'every' ? changed.size > 0 : fields.some((id) => changed.has(id));
  return isChange ? { made: [step], drifted: [] } : { made: [], drifted: [step] };
}

/** A resize of some of its fields, where that changes anything. */
function partOf(
  step: ResizeStep,
  { size, takes }: { readonly size: Size; readonly takes: (id: string) => boolean },
): readonly ResizeStep[] {
  const { vcpus } = takes('vcpus') ? step.to : size;
  const { memoryMiB, maxMemoryMiB } = takes('memory') ? step.to : size;
  const to = { vcpus, memoryMiB, maxMemoryMiB };
  const reason = sizeChange(sizeOf(size), to);
  return reason === undefined ? [] : [{ ...step, to, reason }];
}
