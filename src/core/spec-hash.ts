import { createHash } from 'node:crypto';
import type { DesiredVm } from './desired.ts';

/** What says nothing of how a VM should be on its host: where its lines stand, policies, and what it was made of. */
const LEFT_OUT = [
  'source',
  'protect',
  'drift',
  'restart',
  'force',
  'dependsOn',
  'antiAffinity',
  'image',
  'clone',
  'snapshots',
];

/**
 * Names all that git declares of a VM. The mark carries the hash of what was applied last: while it is the same, a
 * difference on the host was made there; when it is not, git has changed since.
 */
export function specHash(vm: DesiredVm): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(vm)))
    .digest('hex')
    .slice(0, 16);
}

/** The order of keys makes no difference. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !LEFT_OUT.includes(key))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, canonical(inner)]),
  );
}
