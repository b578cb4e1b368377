import { type Pause, type Scope, scopeInWords } from './pause.ts';
import { formatTime } from './time-words.ts';

/** A person's word that something is to be left alone for a while. */
export interface Suspension {
  readonly scope: Scope;
  readonly who: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** ISO 8601, UTC: over from then on. Absent where its file is damaged: until it is resumed. */
  readonly until?: string;
  readonly reason: string;
}

/** Whether it still holds. */
export function isInForce({ until }: Suspension, now: Date): boolean {
  return until === undefined || now.getTime() < Date.parse(until);
}

/** `suspended by ann until 2026-11-25 18:00:00Z: new disks` */
export function suspensionInWords({ who, until, reason }: Suspension): string {
  const end = until === undefined ? 'it is resumed' : formatTime(until);
  return `suspended by ${who} until ${end}: ${reason}`;
}

/** As plans know it. The widest come first: they say most. */
export function pausesOf(suspensions: readonly Suspension[]): Pause[] {
  return suspensions
    .map((one): Pause => ({ because: 'suspended', scope: one.scope, reason: suspensionInWords(one) }))
    .toSorted((a, b) => breadth(b.scope) - breadth(a.scope));
}

/** When the first of them is over. */
export function firstEnd(suspensions: readonly Suspension[]): Date | undefined {
  const ends = suspensions.flatMap(({ until }) => (until === undefined ? [] : [Date.parse(until)]));
  return ends.length === 0 ? undefined : new Date(Math.min(...ends));
}

/** What a person told the operator beside git, or what came of it by itself. */
export interface Order {
  /** `expire`: the end of a suspension that nobody resumed; `reconcile`: somebody waits for a pass. */
  readonly kind: 'suspend' | 'resume' | 'expire' | 'confirm' | 'reconcile';
  readonly who: string;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Of `suspend`, `resume` and `expire`. */
  readonly scope?: Scope;
  /** Of `suspend`: ISO 8601, UTC. */
  readonly until?: string;
  readonly reason?: string;
  /** Of `confirm`. */
  readonly hash?: string;
  /** Of `reconcile`: tells who waits which report is the answer. */
  readonly id?: string;
}

/** `ann suspended t01 until 2026-11-25 18:00:00Z: new disks` */
export function orderInWords({ kind, who, scope = {}, until, reason, hash }: Order): string {
  const what = scopeInWords(scope);
  const why = reason === undefined ? '' : `: ${reason}`;
  switch (kind) {
    case 'suspend':
      return `${who} suspended ${what}${until === undefined ? '' : ` until ${formatTime(until)}`}${why}`;
    case 'resume':
      return `${who} resumed ${what}`;
    case 'expire':
      return `the suspension of ${what} by ${who} ended${why}`;
    case 'confirm':
      return `${who} confirmed ${hash ?? ''}`;
    case 'reconcile':
      return `${who} asked for a pass`;
  }
}

function breadth({ host, vm }: Scope): number {
  if (host === undefined) return 2;
  return vm === undefined ? 1 : 0;
}
