import { type Delivery, type Forge, type ForgeEvent, headerOf } from './forge.ts';
import { at, malformed, parseJson, pushOfMany, textAt } from './payload.ts';
import { isPrefixedHmac } from './signature.ts';

const CLOUD_PUSH = 'repo:push';
const SERVER_PUSH = 'repo:refs_changed';

/** What Bitbucket Cloud and Bitbucket Data Center have in common. */
const COMMON: Pick<Forge, 'proof' | 'isAuthentic'> = {
  proof: 'X-Hub-Signature',
  isAuthentic: ({ headers, body }, secret) =>
    isPrefixedHmac(body, headerOf(headers, 'x-hub-signature'), secret),
};

/** Bitbucket Cloud. */
export const bitbucket: Forge = {
  ...COMMON,
  idOf: (headers) => headerOf(headers, 'x-request-uuid'),
  read: (delivery) =>
    readKeyed(delivery, {
      push: CLOUD_PUSH,
      foreign: { [SERVER_PUSH]: 'bitbucket-server' },
      readPush: (payload) => pushOfMany(at(payload, 'push', 'changes'), cloudRef),
    }),
};

/** Bitbucket Data Center, and the Server of old. */
export const bitbucketServer: Forge = {
  ...COMMON,
  idOf: (headers) => headerOf(headers, 'x-request-id'),
  read: (delivery) =>
    readKeyed(delivery, {
      push: SERVER_PUSH,
      foreign: { [CLOUD_PUSH]: 'bitbucket' },
      readPush: (payload) => pushOfMany(at(payload, 'changes'), (change) => textAt(change, 'ref', 'id')),
    }),
};

interface Kind {
  readonly push: string;
  /** The push of the other Bitbucket, and its name. */
  readonly foreign: Readonly<Record<string, string>>;
  readonly readPush: (payload: unknown) => ForgeEvent;
}

function readKeyed({ headers, body }: Delivery, { push, foreign, readPush }: Kind): ForgeEvent {
  const event = headerOf(headers, 'x-event-key');
  if (event === undefined) return malformed('no X-Event-Key');
  if (event === 'diagnostics:ping') return { kind: 'ping' };
  const other = Object.hasOwn(foreign, event) ? foreign[event] : undefined;
  if (other !== undefined) return malformed(`a push of the other Bitbucket: set webhook.forge to ${other}`);
  const payload = parseJson(body);
  if (payload === undefined) return malformed('the body is no JSON');
  return event === push ? readPush(payload) : { kind: 'other', event };
}

/** A branch that is made has no `old`, one that is deleted no `new`. */
function cloudRef(change: unknown): string | undefined {
  const which = at(change, 'new') ?? at(change, 'old');
  const [type, name] = [textAt(which, 'type'), textAt(which, 'name')];
  if (type === undefined || name === undefined) return undefined;
  return type === 'branch' ? `refs/heads/${name}` : `refs/tags/${name}`;
}
