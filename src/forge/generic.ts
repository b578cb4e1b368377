import { type Forge, headerOf } from './forge.ts';
import { parseJson, textAt } from './payload.ts';
import { isPrefixedHmac } from './signature.ts';

/**
 * Anything that can sign what it sends: `sha256=HEX`, the HMAC-SHA256 of the body, in X-Signature or X-Hub-Signature-256.
 * The body may be empty; JSON with another ref in it asks for nothing.
 */
export const generic: Forge = {
  proof: 'X-Hub-Signature-256 or X-Signature',
  isAuthentic: ({ headers, body }, secret) =>
    isPrefixedHmac(
      body,
      headerOf(headers, 'x-hub-signature-256') ?? headerOf(headers, 'x-signature'),
      secret,
    ),
  idOf: (headers) => headerOf(headers, 'idempotency-key') ?? headerOf(headers, 'x-github-delivery'),
  read({ headers, body }) {
    if (headerOf(headers, 'x-github-event') === 'ping') return { kind: 'ping' };
    const ref = textAt(parseJson(body), 'ref');
    return ref === undefined ? { kind: 'look' } : { kind: 'push', refs: [ref] };
  },
};
