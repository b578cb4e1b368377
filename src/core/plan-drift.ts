import type { DesiredVm } from './desired.ts';
import { specHash } from './spec-hash.ts';
import { holdBack, type MarkStep, type StepKind, type Verdict, type VmStep } from './step.ts';

/** A VM of ours that is complete, as a step names it. */
type Subject = Omit<MarkStep, 'kind' | 'reason' | 'settles'>;

/**
 * Tells drift from a change in git, by the hash of what was applied last.
 *
 *   the mark's hash      | steps | `drift` | what follows
 *   ---------------------|-------|---------|----------------------------------------------------
 *   that of git          | yes   | heal    | the steps
 *   that of git          | yes   | report  | held: drift; but the mark, its seed and name are kept right
 *   another, or none     | yes   | any     | the steps, the last of which writes the new hash
 *   another              | no    | any     | mark: the host is so already
 *   none: an older mark  | no    | report  | mark: from now on drift can be told
 *   none: an older mark  | no    | heal    | nothing; the next change brings the hash along
 */
export function judgeDrift(vm: DesiredVm, verdict: Verdict, subject: Subject): Verdict {
  const { mark } = subject;
  const spec = specHash(vm);
  if (mark.spec === spec) return vm.drift === 'report' ? onlyReported(verdict) : verdict;
  if (verdict.steps.length > 0 || verdict.held.length > 0) return settled(vm, verdict, mark.commit);
  if (mark.spec === undefined && vm.drift === 'heal') return verdict;
  const reason = mark.spec === undefined ? 'from now on its drift is reported' : 'it is as git says by now';
  return { steps: [{ ...subject, kind: 'mark', reason, mark: { ...mark, spec } }], held: [] };
}

/** Has the last step write down that all of it is applied; not while something of it is held. */
export function settled(vm: DesiredVm, { steps, held }: Verdict, commit: string): Verdict {
  const last = steps.findLast((step) => 'vm' in step);
  if (last === undefined || held.length > 0) return { steps, held };
  const done = settling(last, { spec: specHash(vm), commit });
  return { steps: steps.map((step) => (step === last ? done : step)), held };
}

function settling(step: VmStep, settles: NonNullable<VmStep['settles']>): VmStep {
  const { kind } = step;
  if (kind !== 'adopt' && kind !== 'create' && kind !== 'mark' && kind !== 'restore')
    return { ...step, settles };
  return { ...step, mark: { ...step.mark, spec: settles.spec } };
}

/** Nobody on a host brings these about: the mark is ours, and only we write down what a seed and a guest were told. */
const NO_DRIFT: readonly StepKind[] = ['mark', 'seed', 'hostname', 'reclaim'];

function onlyReported({ steps, held }: Verdict): Verdict {
  const kept = steps.filter(({ kind }) => NO_DRIFT.includes(kind));
  const drifted = steps.filter(({ kind }) => !NO_DRIFT.includes(kind));
  return { steps: kept, held: [...held, ...drifted.map((step) => holdBack(step, 'drift', step.reason))] };
}
