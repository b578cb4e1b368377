import { Registry } from 'prom-client';
import { buildServer, type ServerDeps } from '../../src/http/server.ts';
import { statusView } from '../../src/http/status-view.ts';
import { createLogger } from '../../src/log.ts';

export const SECRET = 'cAnArY-webhook-secret';

/** A server over an operator of plain values; `asks` and `logged` fill as it works. */
export function startServer(changes: Partial<ServerDeps> = {}) {
  const asks: string[] = [];
  const logged: string[] = [];
  const log = createLogger({ level: 'trace', destination: { write: (text) => logged.push(text) } });
  const app = buildServer({
    status: () =>
      statusView({
        version: '0.1.0',
        startedAt: new Date(0),
        remote: '/srv/manifests.git',
        branch: 'main',
        running: false,
        notesPending: 0,
      }),
    readiness: () => ({ ready: true, reason: 'the first pass has ended' }),
    ask: (trigger) => asks.push(trigger),
    metrics: new Registry(),
    branch: 'main',
    webhook: { forge: 'generic', secret: () => SECRET },
    log,
    ...changes,
  });
  return { app, asks, logged };
}
