import { type FastifyBaseLogger, type FastifyInstance, fastify, LogController } from 'fastify';
import type { Registry } from 'prom-client';
import { type ControlApiDeps, registerControlApi } from './control-api.ts';
import { harden, refuseMalformed, SERVER_LIMITS } from './hardening.ts';
import type { StatusView } from './status-view.ts';
import { registerWebhook, type WebhookDeps } from './webhook.ts';

/** May traffic and dashboards rely on this operator yet? `reason` is for people. */
export interface Readiness {
  readonly ready: boolean;
  readonly reason: string;
}

export interface ServerDeps extends WebhookDeps, ControlApiDeps {
  readonly status: () => StatusView | Promise<StatusView>;
  /** Ready once the first pass has ended, and for as long as the loop is not stuck. */
  readonly readiness: () => Readiness;
  readonly metrics: Registry;
  readonly log: FastifyBaseLogger;
}

/** The operator's HTTP face. It reads, asks for passes, and takes what people tell it; it does not listen yet. */
export function buildServer(deps: ServerDeps): FastifyInstance {
  const app: FastifyInstance = fastify({
    ...SERVER_LIMITS,
    // A proxy on this machine says who asks; nobody else is believed.
    trustProxy: 'loopback',
    loggerInstance: deps.log,
    logController: new LogController({ disableRequestLogging: true }),
    frameworkErrors: (error, _request, reply) => refuseMalformed(error, reply),
  });
  harden(app);
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request;
    const { statusCode, elapsedTime } = reply;
    const fields = { method, route: routeOptions.url, statusCode, durationMs: Math.round(elapsedTime) };
    request.log.debug(fields, 'request');
    done();
  });

  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_request, reply) => {
    const { ready, reason } = deps.readiness();
    return reply.code(ready ? 200 : 503).send({ ready, reason });
  });
  app.get('/metrics', async (_request, reply) =>
    reply.type(deps.metrics.contentType).send(await deps.metrics.metrics()),
  );
  app.get('/api/status', () => deps.status());
  registerWebhook(app, deps);
  registerControlApi(app, deps);
  return app;
}
