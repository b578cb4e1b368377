import { STATUS_CODES } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyServerOptions } from 'fastify';

/** Bytes of a request's body; more is refused with 413 before anything looks at it. */
const BODY_LIMIT_BYTES = 1024 * 1024;

/** Limits against slow, large and many requests. Node looks for late ones every `connectionsCheckingInterval`. */
export const SERVER_LIMITS = {
  bodyLimit: BODY_LIMIT_BYTES,
  requestTimeout: 30_000,
  connectionTimeout: 60_000,
  keepAliveTimeout: 10_000,
  http: { headersTimeout: 10_000, connectionsCheckingInterval: 5_000, maxHeaderSize: 16 * 1024 },
} as const satisfies FastifyServerOptions & { http: object };

const MAX_CONNECTIONS = 128;

const SECURITY_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** Puts the security headers on every answer, and answers what no route does: as JSON that repeats nothing of the request. */
export function harden(app: FastifyInstance): void {
  app.server.maxConnections = MAX_CONNECTIONS;
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    done();
  });
  app.setNotFoundHandler((_request, reply) => sendError(reply, 404));
  app.setErrorHandler((error, request, reply) => {
    const status = clientErrorStatus(error);
    if (status !== undefined) return sendError(reply, status);
    request.log.error({ err: error, route: request.routeOptions.url }, 'request failed');
    return sendError(reply, 500);
  });
}

/** For requests that fastify refuses before any hook runs. */
export function refuseMalformed(error: unknown, reply: FastifyReply): void {
  void sendError(reply.headers(SECURITY_HEADERS), clientErrorStatus(error) ?? 400);
}

/** Sends `{"error": message}`; by default the status's own words. */
export function sendError(reply: FastifyReply, status: number, message?: string): FastifyReply {
  return reply.code(status).send({ error: message ?? (STATUS_CODES[status] ?? 'error').toLowerCase() });
}

function clientErrorStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const { statusCode } = error;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}
