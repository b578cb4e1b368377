/** Header names in lower case, as node gives them. */
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/** What a webhook sent, as it came. */
export interface Delivery {
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/**
 * What a delivery says has happened. A hint and no more: it decides whether to look, and what is done comes from git.
 *   push       these refs were moved, by their full names
 *   pull       something about a pull request (GitLab: merge request)
 *   comment    a new comment on a pull request that may be a command
 *   look       it does not say which refs, so looking is right
 *   ping       the forge tries out the webhook
 *   other      something else
 *   malformed  not what this forge sends
 */
export type ForgeEvent =
  | { readonly kind: 'push'; readonly refs: readonly string[] }
  | { readonly kind: 'comment'; readonly pull: number; readonly comment: number }
  | { readonly kind: 'pull' | 'look' | 'ping' }
  | { readonly kind: 'other'; readonly event: string }
  | { readonly kind: 'malformed'; readonly why: string };

/** How one kind of forge signs its deliveries, and what they look like. */
export interface Forge {
  /** The header that proves who sent it, for the answer to one who lacks it. */
  readonly proof: string;
  /** Whether whoever sent exactly these bytes knows the secret. Parses nothing of the body; never true without a secret. */
  isAuthentic(delivery: Delivery, secret: string, now: Date): boolean;
  /** What is the same when the forge sends a delivery again. */
  idOf(headers: Headers): string | undefined;
  /** Only for an authentic delivery. Never throws. */
  read(delivery: Delivery): ForgeEvent;
}

/** A header that came once; node joins those that came more often, and such a value is nothing that a forge sends. */
export function headerOf(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}
