import { createHash } from 'node:crypto';
import type { ObservedState } from './observed.ts';

/** A branch whose newest commit does not have in its history what was applied before: it was forced, or taken back. */
export interface Rewind {
  readonly from: readonly string[];
  readonly to: string;
}

const SHOWN = 3;

/** What a person confirms: it names all commits, so that it is good for this one change of the branch alone. */
export function rewindCode({ from, to }: Rewind): string {
  return createHash('sha256')
    .update(['rewind', ...from.toSorted(), to].join('\n'))
    .digest('hex')
    .slice(0, 12);
}

/** What happened, with the commits, and what to do. */
export function rewindMessage({ from, to }: Rewind): string {
  const shas = from.map((sha) => sha.slice(0, 12));
  const more = shas.length > SHOWN ? ` and ${shas.length - SHOWN} more` : '';
  const applied = `${shas.slice(0, SHOWN).join(', ')}${more}`;
  return (
    `the branch was rewritten or taken back: ${to.slice(0, 12)} does not descend from ${applied}, which ` +
    `${from.length === 1 ? 'was' : 'were'} applied. Push a commit that does, or confirm that this is what you want`
  );
}

/** The commits that VMs of a cluster were last changed for, as their marks tell: known also where the state folder is new. */
export function commitsOfMarks({ hosts }: ObservedState, cluster: string): string[] {
  const marks = [...hosts.values()].flatMap((host) =>
    host.kind === 'known' ? host.vms.flatMap(({ uuid, mark }) => (mark?.uuid === uuid ? [mark] : [])) : [],
  );
  return [
    ...new Set(marks.filter((mark) => mark.cluster === cluster).map(({ commit }) => commit)),
  ].toSorted();
}
