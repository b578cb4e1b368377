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

/** Names all that git declares of a VM, in marks that were written before each field had a hash of its own. */
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
