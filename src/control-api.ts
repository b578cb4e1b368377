import type { Config } from './config.ts';
import { endOfSuspension, reasonOf, scopeOf } from './core/suspension-wish.ts';
import type { ControlApi } from './http/control-api.ts';
import type { Operator } from './operator.ts';
import { requireWaiting } from './reconcile/require-waiting.ts';

/** What the HTTP server does for whoever has the token; undefined where operator.yaml has none. */
export function controlApi(config: Config, { control, journal, deps }: Operator): ControlApi | undefined {
  const { adminToken } = config.http;
  if (adminToken === undefined) return undefined;
  return {
    token: () => adminToken.reveal(),
    async confirm(hash, who) {
      await requireWaiting(journal, hash, 'all');
      await control.confirm(hash, who);
    },
    suspend: async ({ target, all = false, reason, for: span, until }, who) =>
      control.suspend({
        scope: scopeOf(target, all, config.hosts),
        who,
        reason: reasonOf(reason),
        until: endOfSuspension({ for: span, until }, deps.clock.now()),
      }),
    resume: async ({ target, all = false }, who) => control.resume(scopeOf(target, all, config.hosts), who),
  };
}
