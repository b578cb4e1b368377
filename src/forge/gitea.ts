import { type Forge, type ForgeEvent, type Headers, headerOf } from './forge.ts';
import { at, commandOf, malformed, numberAt, parseJson, pushOf, textAt } from './payload.ts';
import { isHmac } from './signature.ts';

/** Gitea and Forgejo: the bare hex HMAC of the body. A form is not taken: its signature is not over what was sent. */
export const gitea: Forge = {
  proof: 'X-Gitea-Signature or X-Forgejo-Signature',
  isAuthentic: ({ headers, body }, secret) => isHmac(body, either(headers, 'signature'), secret),
  idOf: (headers) => either(headers, 'delivery'),
  read({ headers, body }) {
    const event = either(headers, 'event');
    if (event === undefined) return malformed('neither X-Gitea-Event nor X-Forgejo-Event');
    const payload = parseJson(body);
    if (payload === undefined) return malformed('the body is no JSON: set the content type application/json');
    if (event === 'pull_request') return { kind: 'pull' };
    if (event === 'issue_comment') return commentOf(payload) ?? { kind: 'other', event };
    return event === 'push' ? pushOf(payload) : { kind: 'other', event };
  },
};

function commentOf(payload: unknown): ForgeEvent | undefined {
  const isNew = textAt(payload, 'action') === 'created' && at(payload, 'is_pull') === true;
  return isNew ? commandOf(at(payload, 'comment'), numberAt(payload, 'issue', 'number')) : undefined;
}

/** Forgejo sends both, with the same value. */
function either(headers: Headers, name: 'signature' | 'delivery' | 'event'): string | undefined {
  return headerOf(headers, `x-gitea-${name}`) ?? headerOf(headers, `x-forgejo-${name}`);
}
