import { createHmac } from 'node:crypto';
import { type Delivery, type Forge, type ForgeEvent, headerOf } from './forge.ts';
import { at, commandOf, malformed, numberAt, parseJson, pushOf, pushOfMany, textAt } from './payload.ts';
import { isSameText } from './signature.ts';

const SIGNING_TOKEN = 'whsec_';
/** How far the clocks of GitLab and the operator may differ; an older delivery is a replay. */
const MAX_AGE_MS = 5 * 60_000;

/**
 * GitLab. A secret that starts with `whsec_` is a signing token, and every delivery must be signed with it; any other is a
 * secret token, which GitLab sends along as it is.
 */
export const gitlab: Forge = {
  proof: 'X-Gitlab-Token or webhook-signature',
  isAuthentic(delivery, secret, now) {
    if (secret.startsWith(SIGNING_TOKEN)) return isSigned(delivery, secret, now);
    const token = headerOf(delivery.headers, 'x-gitlab-token');
    return token !== undefined && secret !== '' && isSameText(token, secret);
  },
  // X-Gitlab-Event-UUID is shared by all that one event sets off: it names no delivery.
  idOf: (headers) => headerOf(headers, 'idempotency-key') ?? headerOf(headers, 'webhook-id'),
  read({ headers, body }) {
    if (headerOf(headers, 'x-gitlab-event') === undefined) return malformed('no X-Gitlab-Event');
    const payload = parseJson(body);
    const event = textAt(payload, 'object_kind') ?? textAt(payload, 'event_name');
    if (event === undefined) return malformed('neither object_kind nor event_name');
    if (event === 'push' || event === 'tag_push') return pushOf(payload);
    if (event === 'repository_update') return pushOfMany(at(payload, 'refs'), asText);
    if (event === 'note') return noteOf(payload) ?? { kind: 'other', event };
    return event === 'merge_request' ? { kind: 'pull' } : { kind: 'other', event };
  },
};

function noteOf(payload: unknown): ForgeEvent | undefined {
  const isNew = textAt(payload, 'object_attributes', 'action') !== 'update';
  return isNew
    ? commandOf(at(payload, 'object_attributes'), numberAt(payload, 'merge_request', 'iid'))
    : undefined;
}

/** As the Standard Webhooks specification has it: base64 of the HMAC-SHA256 over `ID.TIMESTAMP.BODY`. */
function isSigned({ headers, body }: Delivery, secret: string, now: Date): boolean {
  const key = Buffer.from(secret.slice(SIGNING_TOKEN.length), 'base64');
  const id = headerOf(headers, 'webhook-id');
  const timestamp = headerOf(headers, 'webhook-timestamp');
  const signatures = headerOf(headers, 'webhook-signature')?.split(' ') ?? [];
  if (key.length === 0 || id === undefined || timestamp === undefined) return false;
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(Number(timestamp) * 1000 - now.getTime()) > MAX_AGE_MS) return false;
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
  return signatures.some((signature) => isSameText(signature, `v1,${expected}`));
}

function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
