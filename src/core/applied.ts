import { createHash } from 'node:crypto';
import type { DesiredVm } from './desired.ts';
import type { Mark } from './mark.ts';
import { specHash } from './spec-hash.ts';
import { declaredFields } from './vm-fields.ts';

/** By field: a hash of what git said of it when it was applied last. */
export type Applied = Readonly<Record<string, string>>;

/** What git says by now, of all that it declares. */
export function appliedNow(vm: DesiredVm): Applied {
  return Object.fromEntries(declaredFields(vm).map(({ id, declared }) => [id, fingerprint(declared)]));
}

const MAX_KNOWN = 10_000;
const known = new Map<string, string>();

/** Most VMs say the same in most fields, and hashing is what a plan with nothing to do would spend its time on. */
function fingerprint(declared: string): string {
  const before = known.get(declared);
  if (before !== undefined) return before;
  const hash = createHash('sha256').update(declared).digest('hex').slice(0, 8);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(declared, hash);
  return hash;
}

/** What git says of a VM beside what the mark remembers; undefined: that is nothing that is of use. */
export interface AppliedComparison {
  readonly now: Applied;
  readonly before: Applied | undefined;
  /** The fields of which git says something else than when they were applied, or says nothing more. */
  readonly changed: ReadonlySet<string> | undefined;
}

/**
 * Compares what was applied last with git. Marks used to have one hash of the whole VM, which says the same as long as
 * nothing has changed in git, and nothing at all once something has.
 */
export function compareApplied(vm: DesiredVm, { applied, spec }: Mark): AppliedComparison {
  const now = appliedNow(vm);
  const before = applied ?? (spec !== undefined && spec === specHash(vm) ? now : undefined);
  if (before === undefined) return { now, before, changed: undefined };
  const ids = [...Object.keys(now), ...Object.keys(before)];
  return { now, before, changed: new Set(ids.filter((id) => now[id] !== before[id])) };
}

/** What a step that completes a change writes into the mark. */
export interface Settlement {
  readonly applied: Applied;
  readonly commit: string;
}

/** The mark with what is applied by now. */
export function settledMark(mark: Mark, { applied, commit }: Settlement): Mark {
  const { spec: _, ...rest } = mark;
  return { ...rest, applied, commit };
}
