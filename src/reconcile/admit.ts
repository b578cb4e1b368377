import type { DesiredState } from '../core/desired.ts';
import type { ObservedState } from '../core/observed.ts';
import { commitsOfMarks, type Rewind, rewindCode, rewindMessage } from '../core/rewind.ts';
import type { ErrorCode } from '../errors.ts';
import type { Confirmations, Journal, Source } from '../ports.ts';

interface AdmitDeps {
  readonly source: Pick<Source, 'notIn' | 'distrust'>;
  readonly journal: Pick<Journal, 'lastApplied'>;
  readonly confirmations: Pick<Confirmations, 'has'>;
  /** A branch that was rewritten or taken back is followed. */
  readonly allowRewind: boolean;
}

/** A commit that is not in force yet. */
export interface Newcomer {
  readonly sha: string;
  readonly inForce?: string;
}

/** Whether a commit is looked into at all, before anything in it counts. */
export type Admission =
  | {
      readonly kind: 'refused';
      readonly refusal: {
        readonly error: { readonly code: ErrorCode; readonly message: string };
        readonly confirmation?: string;
      };
    }
  | {
      readonly kind: 'admitted';
      /** What a person has confirmed for it: not to be forgotten until it is in force. */
      readonly confirmed?: string;
    };

export const ADMITTED: Extract<Admission, { kind: 'admitted' }> = { kind: 'admitted' };

/**
 *   it, or a commit on the way to it, is not signed
 *     as operator.yaml demands                     refused: nobody can confirm that
 *   descends from the commit in force              admitted
 *   no commit is in force, and the journal tells
 *     of one that was                              the same of that one
 *   neither                                        admitted; see `admitByMarks`
 *   does not descend                               refused, until a person confirms it or operator.yaml allows it
 */
export async function admit(
  deps: AdmitDeps,
  { sha, inForce }: Newcomer,
  signal: AbortSignal,
): Promise<Admission> {
  const before = inForce ?? (await deps.journal.lastApplied())?.revision.sha;
  const distrust = await deps.source.distrust(sha, before, signal);
  if (distrust !== undefined)
    return { kind: 'refused', refusal: { error: { code: 'E_GIT_SIGNATURE', message: distrust } } };
  return judgeDescent(deps, sha, before === undefined ? [] : [before]);
}

/** Where the state folder is new: the VMs still carry the commits that were applied to them. */
export async function admitByMarks(
  deps: AdmitDeps,
  { sha, inForce }: Newcomer,
  { desired, observed }: { readonly desired: DesiredState; readonly observed: ObservedState },
): Promise<Admission> {
  const isKnown = inForce !== undefined || (await deps.journal.lastApplied()) !== undefined;
  return judgeDescent(deps, sha, isKnown ? [] : commitsOfMarks(observed, desired.cluster));
}

async function judgeDescent(deps: AdmitDeps, to: string, before: readonly string[]): Promise<Admission> {
  if (deps.allowRewind || before.length === 0) return ADMITTED;
  const from = await deps.source.notIn(to, before);
  if (from.length === 0) return ADMITTED;
  const rewind: Rewind = { from, to };
  const code = rewindCode(rewind);
  if (await deps.confirmations.has(code)) return { kind: 'admitted', confirmed: code };
  const error = { code: 'E_GIT_REWIND', message: rewindMessage(rewind) } as const;
  return { kind: 'refused', refusal: { error, confirmation: code } };
}
