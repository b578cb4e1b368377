import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { Suspension } from '../core/suspension.ts';
import { OperatorError } from '../errors.ts';
import { isSameText } from '../forge/signature.ts';
import { sendError } from './hardening.ts';
import { createRateLimiter } from './rate-limit.ts';
import { viewSuspension } from './suspension-view.ts';

/** What the commands of the same names do, for programs: a chat bot, a ticket system, a button. */
export interface ControlApi {
  /** Read at each request. Empty: the API is off. */
  readonly token: () => string;
  /** These throw E_USAGE for what is wrong with the request. */
  confirm(hash: string, who: string): Promise<void>;
  suspend(wish: SuspendBody, who: string): Promise<Suspension>;
  resume(target: Target, who: string): Promise<readonly Suspension[]>;
}

export interface ControlApiDeps {
  /** Absent: the API is off. */
  readonly control?: ControlApi | undefined;
  /** Monotonic; for tests. */
  readonly nowMs?: () => number;
}

const OFF = 'this is off: operator.yaml has no http.adminToken';
/** One source: ample for people, and too little to try tokens. */
const RATE = { burst: 30, perSecond: 0.5, sources: 1_000 };
const BODY_LIMIT_BYTES = 16 * 1024;

const who = z
  .string()
  .regex(/^[\w.@+-]{1,64}$/, 'who: 1 to 64 letters, digits and any of . _ @ + -')
  .optional();
const target = { target: z.string().max(200).optional(), all: z.literal(true).optional(), who };
const confirmBody = z.strictObject({ hash: z.string().max(64), who });
const resumeBody = z.strictObject(target);
const suspendBody = z.strictObject({
  ...target,
  reason: z.string().max(1000),
  for: z.string().max(40).optional(),
  until: z.string().max(40).optional(),
});

type Target = z.infer<typeof resumeBody>;
type SuspendBody = z.infer<typeof suspendBody>;

/**
 * `POST /api/confirm`, `/api/suspend` and `/api/resume`.
 *
 *   no token is configured           503, the body is not read
 *   too many from one address        429, the body is not read
 *   bearer token missing or wrong    401, the body is not read
 *   not what is expected             400, with what would be right
 *   done                             200; the pass that follows is not waited for
 */
export function registerControlApi(app: FastifyInstance, deps: ControlApiDeps): void {
  const limiter = createRateLimiter(RATE, deps.nowMs ?? (() => performance.now()));
  const admit = (request: FastifyRequest, reply: FastifyReply, next: () => void) => {
    const refusal = refuse(deps, limiter.take(request.ip), request);
    if (refusal === undefined) return next();
    if (refusal.isNews) request.log.warn({ ip: request.ip, status: refusal.status }, 'control refused');
    sendError(reply.headers({ connection: 'close', ...refusal.headers }), refusal.status, refusal.message);
  };
  const route = <Body extends { readonly who?: string | undefined }>(
    path: string,
    schema: z.ZodType<Body>,
    act: (api: ControlApi, body: Body, who: string) => Promise<object>,
  ) =>
    app.post(path, { onRequest: admit, bodyLimit: BODY_LIMIT_BYTES }, async (request, reply) => {
      const body = schema.safeParse(request.body);
      if (!body.success) return sendError(reply, 400, z.prettifyError(body.error));
      if (deps.control === undefined) return sendError(reply, 503, OFF);
      try {
        // The token is that of the API: which person used it is what the caller says.
        return await act(deps.control, body.data, `${body.data.who ?? 'somebody'} (by the API)`);
      } catch (error) {
        if (error instanceof OperatorError && error.code === 'E_USAGE')
          return sendError(reply, 400, error.message);
        throw error;
      }
    });
  route('/api/confirm', confirmBody, async (api, { hash }, by) => {
    await api.confirm(hash, by);
    return { confirmed: hash };
  });
  route('/api/suspend', suspendBody, async (api, wish, by) => ({
    suspended: viewSuspension(await api.suspend(wish, by)),
  }));
  route('/api/resume', resumeBody, async (api, what, by) => ({
    resumed: (await api.resume(what, by)).map(viewSuspension),
  }));
}

interface Refusal {
  readonly status: number;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly isNews: boolean;
}

function refuse(
  { control }: ControlApiDeps,
  tooMany: { readonly retryAfterS: number; readonly isFirst: boolean } | undefined,
  { headers }: FastifyRequest,
): Refusal | undefined {
  const token = control?.token() ?? '';
  if (token === '') return { status: 503, message: OFF, isNews: false };
  if (tooMany !== undefined)
    return {
      status: 429,
      headers: { 'retry-after': String(tooMany.retryAfterS) },
      isNews: tooMany.isFirst,
    };
  const given = /^Bearer ([\w.~+/=-]+)$/i.exec(headers.authorization ?? '')?.[1];
  if (given !== undefined && isSameText(given, token)) return undefined;
  return {
    status: 401,
    message: 'expected "Authorization: Bearer TOKEN" with the token of http.adminToken',
    headers: { 'www-authenticate': 'Bearer' },
    isNews: true,
  };
}
