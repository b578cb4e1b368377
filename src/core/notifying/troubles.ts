import type { Report, StepResult } from '../report.ts';
import type { Held } from '../step.ts';
import type { Standing } from './standing.ts';

/** Something that a report says is not as it should be. */
export type Trouble = Pick<Standing, 'kind' | 'host' | 'subject' | 'because' | 'reason'>;

export interface Troubles {
  readonly found: ReadonlyMap<string, Trouble>;
  /** Of these the report cannot tell whether they are well: nothing was tried, or nobody could look. */
  readonly undecided: ReadonlySet<string>;
}

/** Steps that are about no VM; their subject alone is none of a kind. */
const NO_VM: ReadonlySet<string> = new Set(['pool', 'image', 'publish', 'release']);

/** A VM is one thing wherever it is: a move fails on one host and is mended on another. */
export function keyOf({ kind, host, subject }: Pick<StepResult | Held, 'kind' | 'host' | 'subject'>): string {
  return NO_VM.has(kind) ? `on ${host}: ${subject}` : `vm ${subject}`;
}

/** The VM that a key of `keyOf` is about. */
export function vmOf(key: string): string | undefined {
  return key.startsWith('vm ') ? key.slice(3) : undefined;
}

/** What is wrong with VMs and hosts by a report that has looked at them. The first of a subject counts, failures before all else. */
export function troublesOf(report: Report): Troubles {
  const found = new Map<string, Trouble>();
  const add = (key: string, trouble: Trouble) => {
    if (!found.has(key)) found.set(key, trouble);
  };
  for (const step of report.steps) if (step.outcome === 'failed') add(keyOf(step), failure(step));
  for (const held of report.held) {
    const kind = kindOf(held);
    if (kind !== undefined) add(keyOf(held), waiting(held, kind, report.confirmation));
  }
  for (const { host, reason, isOffline } of report.unknownHosts)
    if (!isOffline) add(`host ${host}`, { kind: 'host-unknown', host, reason });
  if (report.unknownNames !== undefined)
    add('names', { kind: 'host-unknown', host: 'dnsmasq', reason: report.unknownNames });
  return { found, undecided: undecidedOf(report) };
}

function failure({ host, subject, kind, error }: StepResult): Trouble {
  return { kind: 'failed', host, subject, reason: `${kind}: ${error?.code ?? ''} ${error?.message ?? ''}` };
}

function waiting(held: Held, kind: 'failed' | 'held' | 'drift', confirmation: string | undefined): Trouble {
  const { host, subject, because } = held;
  const confirm =
    because === 'guard' && confirmation !== undefined ? `; kvm-gitops confirm ${confirmation}` : '';
  const reason = `${held.kind}: ${held.reason}${confirm}`;
  return { kind, host, subject, reason, ...(kind === 'held' && { because }) };
}

/** Undefined: it follows from something that is told itself. */
function kindOf({ because }: Held): 'failed' | 'held' | 'drift' | undefined {
  if (because === 'unknown' || because === 'dependency') return undefined;
  if (because === 'retry') return 'failed';
  return because === 'drift' ? 'drift' : 'held';
}

function undecidedOf({ steps, held }: Report): ReadonlySet<string> {
  const skipped = steps.filter(({ outcome }) => outcome === 'skipped');
  return new Set([...skipped, ...held.filter((one) => kindOf(one) === undefined)].map(keyOf));
}
