import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from './hardening.ts';

export interface WebhookDeps {
  /** Asks for a pass and returns at once. */
  readonly ask: (trigger: string) => void;
  /** The branch that is followed: pushes to other refs ask for nothing. */
  readonly branch: string;
  /** Read at each delivery. Absent or empty: the webhook is off. */
  readonly webhookSecret?: (() => string) | undefined;
}

const NO_SECRET = 'the webhook is off: the operator has no webhook secret';

/**
 * `POST /webhook`: a push asks for a pass. The payload is a hint and no more: what is applied is read from git, so a
 * replayed or invented delivery can at worst ask for a pass that finds nothing to do.
 *
 *   no secret is configured             503, the body is not read
 *   body over the limit                 413
 *   signature missing, malformed, wrong 401
 *   GitHub's ping                       200
 *   push of another branch, tag, note   202, asks for nothing
 *   anything else that is signed        202, asks for a pass
 */
export function registerWebhook(app: FastifyInstance, deps: WebhookDeps): void {
  // A scope of its own: elsewhere bodies are not kept raw.
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, parsed) => parsed(null, body));
    scope.post('/webhook', {
      onRequest: (request, reply, next) => {
        if (secretOf(deps) === '') {
          // The body stays unread, so the connection cannot be used again.
          sendError(reply.header('connection', 'close'), 503, NO_SECRET);
          return;
        }
        // What the sender calls its bytes does not matter, and fastify would refuse a type that it cannot read.
        request.raw.headers['content-type'] = 'application/octet-stream';
        next();
      },
      handler: (request, reply) => receive(deps, request, reply),
    });
    done();
  });
}

function receive(deps: WebhookDeps, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  if (!isSigned(body, signatureOf(request), secretOf(deps))) {
    request.log.warn({ ip: request.ip }, 'webhook refused: signature missing or wrong');
    return sendError(
      reply,
      401,
      'signature missing or wrong: X-Hub-Signature-256 or X-Signature, sha256=HEX',
    );
  }
  if (request.headers['x-github-event'] === 'ping') return reply.code(200).send({ asked: false });
  const asked = concerns(body, deps.branch);
  // Before the answer: a delivery that was acknowledged is counted. The pass itself is not waited for.
  if (asked) deps.ask('webhook');
  request.log.debug({ asked }, 'webhook accepted');
  return reply.code(202).send({ asked });
}

/** True where `header` is `sha256=` and the hex HMAC-SHA256 of exactly these bytes. Never true without a secret. */
export function isSigned(body: Uint8Array, header: string | undefined, secret: string): boolean {
  const hex = /^sha256=([0-9a-f]{64})$/i.exec(header ?? '')?.[1];
  if (hex === undefined || secret === '') return false;
  const given = Buffer.from(hex, 'hex');
  const expected = createHmac('sha256', secret).update(body).digest();
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** GitHub, Gitea and Forgejo send the first name; the second is that of generic senders. */
function signatureOf({ headers }: FastifyRequest): string | undefined {
  const header = headers['x-hub-signature-256'] ?? headers['x-signature'];
  return typeof header === 'string' ? header : undefined;
}

function secretOf({ webhookSecret }: WebhookDeps): string {
  return webhookSecret?.() ?? '';
}

/** False only where the body plainly names another ref; what cannot be read asks for a pass. */
function concerns(body: Buffer, branch: string): boolean {
  const ref = refOf(body.toString('utf8'));
  return ref === undefined || ref === `refs/heads/${branch}`;
}

function refOf(text: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(text);
    if (typeof payload !== 'object' || payload === null || !('ref' in payload)) return undefined;
    return typeof payload.ref === 'string' ? payload.ref : undefined;
  } catch {
    // Not JSON, such as a form: the poll would find the commit anyway, so asking is right.
    return undefined;
  }
}
