import { createHmac } from 'node:crypto';
import type { Delivery } from '../../src/forge/forge.ts';
import type { ForgeName } from '../../src/forge/forges.ts';

export const SECRET = 'a secret of the tests';
/** As GitLab makes them. */
export const SIGNING_TOKEN = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
export const NOW = new Date('2026-11-25T12:00:00Z');

export function hmac(body: string | Uint8Array, secret: string = SECRET): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

type Event = 'push' | 'other';
type Sender = (body: string, event?: Event, secret?: string) => Record<string, string>;

/** The headers with which each forge sends a body. */
export const SENDERS: Readonly<Record<ForgeName, Sender>> = {
  generic: (body, _event, secret) => ({
    'x-signature': `sha256=${hmac(body, secret)}`,
    'idempotency-key': 'delivery-1',
  }),
  github: (body, event = 'push', secret = SECRET) => ({
    'x-github-event': event === 'push' ? 'push' : 'issues',
    'x-github-delivery': 'delivery-1',
    'x-hub-signature-256': `sha256=${hmac(body, secret)}`,
  }),
  gitlab: (_body, event = 'push', secret = SECRET) => ({
    'x-gitlab-event': event === 'push' ? 'Push Hook' : 'Issue Hook',
    'x-gitlab-token': secret,
    'idempotency-key': 'delivery-1',
  }),
  gitea: (body, event = 'push', secret = SECRET) => ({
    'x-gitea-event': event === 'push' ? 'push' : 'issues',
    'x-gitea-delivery': 'delivery-1',
    'x-gitea-signature': hmac(body, secret),
    'x-github-event': event === 'push' ? 'push' : 'issues',
    'x-hub-signature-256': `sha256=${hmac(body, secret)}`,
  }),
  bitbucket: (body, event = 'push', secret = SECRET) => ({
    'x-event-key': event === 'push' ? 'repo:push' : 'issue:created',
    'x-request-uuid': 'delivery-1',
    'x-hub-signature': `sha256=${hmac(body, secret)}`,
  }),
  'bitbucket-server': (body, event = 'push', secret = SECRET) => ({
    'x-event-key': event === 'push' ? 'repo:refs_changed' : 'pr:opened',
    'x-request-id': 'delivery-1',
    'x-hub-signature': `sha256=${hmac(body, secret)}`,
  }),
};

/** A push of refs, in the shape that each forge publishes; what we do not read is left out. */
export const PUSHES: Readonly<Record<ForgeName, (ref: string) => unknown>> = {
  generic: (ref) => ({ ref }),
  github: (ref) => ({ ref, before: ZERO, after: SHA, deleted: false, repository: { full_name: 'a/b' } }),
  gitlab: (ref) => ({
    object_kind: ref.startsWith('refs/tags/') ? 'tag_push' : 'push',
    event_name: 'push',
    ref,
    checkout_sha: SHA,
    total_commits_count: 1,
  }),
  gitea: (ref) => ({ ref, before: ZERO, after: SHA, compare_url: '', commits: [] }),
  bitbucket: (ref) => ({ push: { changes: [cloudChange(ref)] } }),
  'bitbucket-server': (ref) => ({
    eventKey: 'repo:refs_changed',
    changes: [
      {
        ref: { id: ref, displayId: ref.split('/').at(-1), type: 'BRANCH' },
        refId: ref,
        fromHash: ZERO,
        toHash: SHA,
        type: 'UPDATE',
      },
    ],
  }),
};

const ZERO = '0'.repeat(40);
const SHA = 'a'.repeat(40);

function cloudChange(ref: string): unknown {
  const [, kind = '', ...name] = ref.split('/');
  const target = { type: kind === 'heads' ? 'branch' : 'tag', name: name.join('/'), target: { hash: SHA } };
  return { old: null, new: target, created: true, closed: false, forced: false };
}

export function deliveryOf(forge: ForgeName, payload: unknown, event: Event = 'push'): Delivery {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
  return { headers: SENDERS[forge](body, event), body: Buffer.from(body) };
}

/** Headers of a delivery that GitLab signs. */
export function gitlabSignature(body: string, changes: { id?: string; at?: Date; token?: string } = {}) {
  const { id = 'msg_1', at = NOW, token = SIGNING_TOKEN } = changes;
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const key = Buffer.from(token.replace(/^whsec_/, ''), 'base64');
  const sum = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'x-gitlab-event': 'Push Hook',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${sum}`,
  };
}
