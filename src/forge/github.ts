import { type Forge, type ForgeEvent, headerOf } from './forge.ts';
import { at, commandOf, malformed, numberAt, parseJson, pushOf, textAt } from './payload.ts';
import { isPrefixedHmac } from './signature.ts';

/** GitHub, and GitHub Enterprise Server: `X-Hub-Signature-256: sha256=HEX` over the body, JSON or form. */
export const github: Forge = {
  proof: 'X-Hub-Signature-256',
  isAuthentic: ({ headers, body }, secret) =>
    isPrefixedHmac(body, headerOf(headers, 'x-hub-signature-256'), secret),
  idOf: (headers) => headerOf(headers, 'x-github-delivery'),
  read({ headers, body }) {
    const event = headerOf(headers, 'x-github-event');
    if (event === undefined) return malformed('no X-GitHub-Event');
    if (event === 'ping') return { kind: 'ping' };
    const payload = parseJson(unform(body));
    if (payload === undefined) return malformed('the body is neither JSON nor a form with JSON in it');
    if (event === 'pull_request') return { kind: 'pull' };
    if (event === 'issue_comment') return commentOf(payload) ?? { kind: 'other', event };
    return event === 'push' ? pushOf(payload) : { kind: 'other', event };
  },
};

function commentOf(payload: unknown): ForgeEvent | undefined {
  const isNew = textAt(payload, 'action') === 'created' && at(payload, 'issue', 'pull_request') !== undefined;
  return isNew ? commandOf(at(payload, 'comment'), numberAt(payload, 'issue', 'number')) : undefined;
}

/** What a form of GitHub's holds: its one field `payload`. */
function unform(body: Uint8Array): Uint8Array {
  const text = Buffer.from(body);
  if (!text.subarray(0, 8).equals(Buffer.from('payload='))) return body;
  return Buffer.from(new URLSearchParams(text.toString()).get('payload') ?? '');
}
