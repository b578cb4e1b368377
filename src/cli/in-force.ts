import type { DesiredState } from '../core/desired.ts';
import type { ObservedState } from '../core/observed.ts';
import { OperatorError } from '../errors.ts';
import type { Operator } from '../operator.ts';
import { questionFor } from '../reconcile/reconcile.ts';

/** What the commit in force asks for, else the newest one, and what the hosts show. */
export async function lookInForce(
  { deps }: Operator,
  signal: AbortSignal,
): Promise<{ readonly desired: DesiredState; readonly observed: ObservedState }> {
  const snapshot = (await deps.source.accepted()) ?? (await deps.source.fetch(signal));
  const built = deps.build(snapshot);
  if (!built.ok)
    throw new OperatorError(
      'E_USAGE',
      'no commit has been accepted yet: there is nothing of ours to look for',
    );
  return { desired: built.desired, observed: await deps.hosts.observe(questionFor(built.desired), signal) };
}
