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

function fingerprint(declared: string): string {
  return createHash('sha256').update(declared).digest('hex').slice(0, 8);
}

/**
 * What the mark remembers; undefined: nothing that is of use. Marks used to have one hash of the whole VM, which says the
 * same as long as nothing has changed in git, and nothing at all once something has.
 */
export function remembered(vm: DesiredVm, { applied, spec }: Mark): Applied | undefined {
  if (applied !== undefined) return applied;
  return spec === specHash(vm) ? appliedNow(vm) : undefined;
}

/** The fields of which git says something else than when they were applied, or says nothing more; undefined: nobody knows. */
export function changedFields(vm: DesiredVm, mark: Mark): ReadonlySet<string> | undefined {
  const before = remembered(vm, mark);
  if (before === undefined) return undefined;
  const now = appliedNow(vm);
  return new Set([...Object.keys(now), ...Object.keys(before)].filter((id) => now[id] !== before[id]));
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
