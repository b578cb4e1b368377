import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Delivery, ForgeEvent } from '../forge/forge.ts';
import { FORGES, type ForgeName } from '../forge/forges.ts';
import { sendError } from './hardening.ts';
import { createRateLimiter } from './rate-limit.ts';
import { createSeenDeliveries, type SeenDeliveries } from './seen-deliveries.ts';

export interface WebhookDeps {
  /** Asks for a pass and returns at once. */
  readonly ask: (trigger: string) => void;
  /** Something may have happened to a pull request; absent: they are not looked at. Returns at once. */
  readonly askPulls?: (() => void) | undefined;
  /** There is a comment on a pull request that may be a command; absent: nobody may give any. */
  readonly onComment?: ((pull: number, comment: number) => void) | undefined;
  /** The branch that is followed: pushes to other refs ask for nothing. */
  readonly branch: string;
  /** Absent: the webhook is off. */
  readonly webhook?: WebhookSettings | undefined;
  /** Monotonic; for tests. */
  readonly nowMs?: () => number;
}

export interface WebhookSettings {
  /** Whose deliveries are taken: those of any other forge are not authentic. */
  readonly forge: ForgeName;
  /** Read at each delivery. Empty: the webhook is off. */
  readonly secret: () => string;
}

const NO_SECRET = 'the webhook is off: operator.yaml has no webhook.secret';
/** One source: ample for the pushes of a busy repository, and as much as the log is to hold of a stranger. */
const RATE = { burst: 60, perSecond: 1, sources: 1_000 };

/**
 * `POST /webhook`: a push asks for a pass. The payload is a hint and no more: what is applied is read from git, so a
 * replayed or invented delivery can at worst ask for a pass that finds nothing to do.
 *
 *   no secret is configured                       503, the body is not read
 *   too many from one address                     429, the body is not read
 *   body over the limit                           413
 *   signature or token missing, malformed, wrong  401
 *   a delivery that was heard already             202, asks for nothing
 *   not what the forge sends                      400
 *   the forge tries it out (ping)                 200
 *   push of another branch, tag, note; no push    202, asks for nothing
 *   push of the branch                            202, asks for a pass
 *   a command in a comment on a pull request      202, has it read at the forge, where somebody may
 *   about a pull request                          202, has them looked at, where they are
 */
export function registerWebhook(app: FastifyInstance, deps: WebhookDeps): void {
  const nowMs = deps.nowMs ?? (() => performance.now());
  const limiter = createRateLimiter(RATE, nowMs);
  const seen = createSeenDeliveries(nowMs);
  // A scope of its own: elsewhere bodies are not kept raw.
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body));
    scope.post('/webhook', {
      onRequest: (request, reply, next) => {
        // Where the body stays unread, the connection cannot be used again.
        if (settingsOf(deps) === undefined) {
          sendError(reply.header('connection', 'close'), 503, NO_SECRET);
          return;
        }
        const refused = limiter.take(request.ip);
        if (refused !== undefined) {
          if (refused.isFirst) request.log.warn({ ip: request.ip }, 'webhook refused: too many deliveries');
          sendError(reply.headers({ connection: 'close', 'retry-after': refused.retryAfterS }), 429);
          return;
        }
        // What the sender calls its bytes does not matter, and fastify would refuse a type that it cannot read.
        request.raw.headers['content-type'] = 'application/octet-stream';
        next();
      },
      handler: (request, reply) => receive(deps, seen, request, reply),
    });
    done();
  });
}

function receive(
  deps: WebhookDeps,
  seen: SeenDeliveries,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const settings = settingsOf(deps);
  if (settings === undefined) return sendError(reply, 503, NO_SECRET);
  const forge = FORGES[settings.forge];
  const { headers } = request;
  const delivery: Delivery = {
    headers,
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
  };
  if (!forge.isAuthentic(delivery, settings.secret, new Date())) {
    request.log.warn({ ip: request.ip, forge: settings.forge }, 'webhook refused: not authentic');
    return sendError(reply, 401, `signature missing or wrong: ${forge.proof}, for forge ${settings.forge}`);
  }
  const id = forge.idOf(headers);
  if (id !== undefined && seen.has(id)) {
    request.log.debug('webhook ignored: heard already');
    return reply.code(202).send({ asked: false });
  }
  const event = forge.read(delivery);
  if (event.kind === 'malformed') {
    request.log.warn({ ip: request.ip, forge: settings.forge, why: event.why }, 'webhook refused: malformed');
    return sendError(reply, 400, event.why);
  }
  // Before the answer: a delivery that was acknowledged is counted. The pass itself is not waited for.
  const asked = concerns(event, deps);
  if (asked) act(event, deps);
  if (id !== undefined) seen.add(id);
  request.log.debug({ asked, event: event.kind }, asked ? 'webhook accepted' : 'webhook ignored');
  return reply.code(event.kind === 'ping' ? 200 : 202).send({ asked });
}

function settingsOf({ webhook }: WebhookDeps): { forge: ForgeName; secret: string } | undefined {
  const secret = webhook?.secret() ?? '';
  return webhook === undefined || secret === '' ? undefined : { forge: webhook.forge, secret };
}

function act(event: ForgeEvent, { ask, askPulls, onComment }: WebhookDeps): void {
  if (event.kind === 'comment') return onComment?.(event.pull, event.comment);
  if (event.kind !== 'pull') ask('webhook');
  if (event.kind !== 'push') askPulls?.();
}

function concerns(event: ForgeEvent, { branch, askPulls, onComment }: WebhookDeps): boolean {
  if (event.kind === 'comment') return onComment !== undefined;
  if (event.kind === 'push') return event.refs.includes(`refs/heads/${branch}`);
  return event.kind === 'look' || (event.kind === 'pull' && askPulls !== undefined);
}
