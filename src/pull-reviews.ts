import type { Config } from './config.ts';
import { createPullClient } from './forge/pulls/client.ts';
import { createStatusSender } from './forge/statuses/sender.ts';
import { BOUNDS_OF_PULLS } from './git/bounds.ts';
import type { Logger } from './log.ts';
import type { Operator } from './operator.ts';
import { requireWaiting } from './reconcile/require-waiting.ts';
import { createCommands } from './review/commands.ts';
import { createPullPlanner, type Sight } from './review/pull-plan.ts';
import { createPullRequests, type PullRequests } from './review/pull-requests.ts';

/** Plans of pull requests, where operator.yaml asks for them: with caches and a queue of their own. */
export function openPullReviews(
  config: Config,
  { mirror, beside, deps, journal, control }: Operator,
  { sight, log }: { readonly sight: () => Sight | undefined; readonly log: Logger },
): PullRequests | undefined {
  if (config.pullRequests === undefined) return undefined;
  const { target, token, forks, confirmers } = config.pullRequests;
  const { branch, path: folder } = config.git;
  const { pollMs, driftMs } = config;
  const marker = `<!-- ${target.context} -->`;
  const forge = { target, token: () => token.reveal(), log };
  const client = createPullClient({ ...forge, branch });
  return createPullRequests({
    client,
    statuses: createStatusSender(forge),
    plan: createPullPlanner({
      branch,
      folder,
      marker,
      canConfirmHere: confirmers.length > 0,
      merge: (names, signal) => mirror.merge({ ...names, bounds: BOUNDS_OF_PULLS }, signal),
      build: beside.build,
      inForce: () => mirror.accepted(),
      ask: (question, signal) => beside.observe(question, signal),
      clock: deps.clock,
    }),
    marker,
    sight,
    forks,
    commands: createCommands({
      client,
      confirmers,
      async confirm(hash, who) {
        // Whoever may review is not who may say that the branch goes back.
        await requireWaiting(journal, hash, 'removals');
        await control.confirm(hash, who);
      },
      now: () => deps.clock.now(),
      log,
    }),
    pollMs,
    driftMs,
    log,
  });
}
