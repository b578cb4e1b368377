import type { Revision } from '../report.ts';
import type { Held } from '../step.ts';

/**
 * What people are told of.
 *   failed        a step of a VM failed, or passes break
 *   recovered     something of the others that was told is over
 *   refused       a commit is wrong or has no room: nothing of it is done
 *   held          a change waits: for a person, for room, for the end of a freeze
 *   drift         somebody changed a VM on its host, and `drift: report` leaves it so
 *   applied       a commit is done
 *   host-unknown  a host, or dnsmasq, does not answer
 */
export const NOTICE_KINDS = [
  'failed',
  'recovered',
  'refused',
  'held',
  'drift',
  'applied',
  'host-unknown',
] as const;

export type NoticeKind = (typeof NOTICE_KINDS)[number];

/** How one thing stands that is worth telling: a VM, a host, the newest commit, the operator itself. */
export interface Standing {
  readonly kind: NoticeKind;
  /** Of `recovered`: what it was. */
  readonly was?: NoticeKind;
  readonly host?: string;
  /** A VM's name, or another subject of steps; absent: it is about a host, a commit or the operator. */
  readonly subject?: string;
  /** Of `held`. */
  readonly because?: Held['because'];
  readonly reason: string;
  /** Of a VM: the commit that changed it last; absent: not known, or nobody's. */
  readonly commit?: Revision;
  /** ISO 8601, UTC. */
  readonly since: string;
}

/** By what it is about. */
export type Standings = ReadonlyMap<string, Standing>;

/** Whether somebody should look: the others are good news. */
export function isTrouble({ kind }: Standing): boolean {
  return kind !== 'recovered' && kind !== 'applied';
}

/** Whether the two say the same, in whatever words: reasons have numbers in them that move all the time. */
export function isSameNews(a: Standing, b: Standing): boolean {
  // A commit that could not be found out is no other one.
  const isOneCommit = a.commit === undefined || b.commit === undefined || a.commit.sha === b.commit.sha;
  return a.kind === b.kind && a.because === b.because && isOneCommit;
}
