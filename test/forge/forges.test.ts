import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ForgeEvent } from '../../src/forge/forge.ts';
import { FORGE_NAMES, FORGES, type ForgeName } from '../../src/forge/forges.ts';
import {
  deliveryOf,
  gitlabSignature,
  hmac,
  NOW,
  PUSHES,
  SECRET,
  SENDERS,
  SIGNING_TOKEN,
} from './deliveries.ts';

const MAIN = 'refs/heads/main';

describe.each(FORGE_NAMES)('%s', (name) => {
  const forge = FORGES[name];

  it('knows its own deliveries, and none with another body, secret or no proof', () => {
    const delivery = deliveryOf(name, PUSHES[name](MAIN));
    expect(forge.isAuthentic(delivery, SECRET, NOW)).toBe(true);
    expect(forge.isAuthentic(delivery, `${SECRET}x`, NOW)).toBe(false);
    expect(forge.isAuthentic(delivery, '', NOW)).toBe(false);
    expect(forge.isAuthentic({ ...delivery, headers: {} }, SECRET, NOW)).toBe(false);
    const other = { ...delivery, body: Buffer.from('{}') };
    // GitLab's token says nothing of the body.
    expect(forge.isAuthentic(other, SECRET, NOW)).toBe(name === 'gitlab');
  });

  it('takes no delivery that is signed with the empty secret', () => {
    const headers = SENDERS[name]('{}', 'push', '');
    expect(forge.isAuthentic({ headers, body: Buffer.from('{}') }, '', NOW)).toBe(false);
  });

  it.each([MAIN, 'refs/heads/feature/x', 'refs/tags/v1'])('reads which ref was pushed: %s', (ref) => {
    expect(forge.read(deliveryOf(name, PUSHES[name](ref)))).toEqual({ kind: 'push', refs: [ref] });
  });

  it('has the id that stays the same when a delivery is sent again', () => {
    expect(forge.idOf(SENDERS[name]('{}'))).toBe('delivery-1');
    expect(forge.idOf({})).toBeUndefined();
  });

  it.each(FORGE_NAMES.filter((other) => other !== name && !overlaps(name, other)))(
    'does not take what %s sends',
    (other) => {
      const delivery = deliveryOf(other, PUSHES[other](MAIN));
      const isTaken = forge.isAuthentic(delivery, SECRET, NOW) && forge.read(delivery).kind !== 'malformed';
      expect(isTaken).toBe(false);
    },
  );
});

/** Who signs as another one does; Gitea imitates GitHub on purpose. */
function overlaps(name: ForgeName, other: ForgeName): boolean {
  return name === 'generic' || (name === 'github' && other === 'gitea');
}

describe.each(FORGE_NAMES.filter((name) => name !== 'generic'))('what %s does not send', (name) => {
  const forge = FORGES[name];

  it('says of an event that is no push that it is another', () => {
    const payload = { object_kind: 'issue', action: 'opened' };
    expect(forge.read(deliveryOf(name, payload, 'other')).kind).toBe('other');
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '{"ref":'],
    ['null', 'null'],
    ['a list', '[]'],
    ['no ref', '{"object_kind":"push"}'],
    ['a ref that is none', '{"object_kind":"push","ref":7,"changes":7,"push":7}'],
    ['changes of nothing', '{"object_kind":"push","changes":[null],"push":{"changes":[{"new":null}]}}'],
    ['a ref of the prototype', '{"__proto__":{"object_kind":"push","ref":"refs/heads/main"}}'],
  ])('calls a push malformed that holds %s', (_what, body) => {
    expect(forge.read(deliveryOf(name, body)).kind).toBe('malformed');
  });

  it('calls a delivery malformed that names no event', () => {
    const { body } = deliveryOf(name, PUSHES[name](MAIN));
    expect(forge.read({ headers: {}, body }).kind).toBe('malformed');
  });
});

describe('details of the forges', () => {
  it('reads the form that GitHub can send instead of JSON', () => {
    const body = `payload=${encodeURIComponent(JSON.stringify({ ref: MAIN }))}`;
    expect(FORGES.github.read(deliveryOf('github', body))).toEqual({ kind: 'push', refs: [MAIN] });
  });

  it('reads the system hook of GitLab, that names several refs', () => {
    const payload = { event_name: 'repository_update', refs: [MAIN, 'refs/tags/v1'] };
    expect(FORGES.gitlab.read(deliveryOf('gitlab', payload))).toEqual({ kind: 'push', refs: payload.refs });
  });

  it.each<[string, unknown, ForgeEvent]>([
    [
      'a branch that is deleted',
      { new: null, old: { type: 'branch', name: 'main' } },
      { kind: 'push', refs: [MAIN] },
    ],
    [
      "a tag of the branch's name",
      { old: null, new: { type: 'annotated_tag', name: 'main' } },
      { kind: 'push', refs: ['refs/tags/main'] },
    ],
  ])('reads from Bitbucket Cloud %s', (_what, change, event) => {
    expect(FORGES.bitbucket.read(deliveryOf('bitbucket', { push: { changes: [change] } }))).toEqual(event);
  });

  it.each(['bitbucket', 'bitbucket-server'] as const)('knows the ping of %s', (name) => {
    const headers = { 'x-event-key': 'diagnostics:ping' };
    expect(FORGES[name].read({ headers, body: Buffer.from('{"test":true}') })).toEqual({ kind: 'ping' });
  });

  it.each<[ForgeName, Record<string, string>, object]>([
    ['github', { 'x-github-event': 'pull_request' }, { action: 'synchronize', number: 1 }],
    ['gitea', { 'x-gitea-event': 'pull_request', 'x-gitea-event-type': 'pull_request_sync' }, { number: 1 }],
    ['gitlab', { 'x-gitlab-event': 'Merge Request Hook' }, { object_kind: 'merge_request' }],
  ])('reads from %s that a pull request was opened or moved', (name, headers, payload) => {
    const body = Buffer.from(JSON.stringify(payload));
    expect(FORGES[name].read({ headers, body })).toEqual({ kind: 'pull' });
  });

  const COMMAND = '/kvm-gitops confirm c0ffee123456';
  const ON_GITHUB = { action: 'created', comment: { id: 5, body: COMMAND } };

  it.each<[ForgeName, Record<string, string>, object]>([
    [
      'github',
      { 'x-github-event': 'issue_comment' },
      { ...ON_GITHUB, issue: { number: 7, pull_request: {} } },
    ],
    ['gitea', { 'x-gitea-event': 'issue_comment' }, { ...ON_GITHUB, is_pull: true, issue: { number: 7 } }],
    [
      'gitlab',
      { 'x-gitlab-event': 'Note Hook' },
      { object_kind: 'note', object_attributes: { id: 5, note: COMMAND }, merge_request: { iid: 7 } },
    ],
  ])('reads from %s which comment on a pull request may be a command', (name, headers, payload) => {
    const body = Buffer.from(JSON.stringify(payload));
    expect(FORGES[name].read({ headers, body })).toEqual({ kind: 'comment', pull: 7, comment: 5 });
  });

  it.each<[ForgeName, Record<string, string>, object]>([
    ['github', { 'x-github-event': 'issue_comment' }, { ...ON_GITHUB, issue: { number: 7 } }],
    [
      'github',
      { 'x-github-event': 'issue_comment' },
      { ...ON_GITHUB, action: 'edited', issue: { number: 7, pull_request: {} } },
    ],
    ['gitea', { 'x-gitea-event': 'issue_comment' }, { ...ON_GITHUB, is_pull: false, issue: { number: 7 } }],
    [
      'gitlab',
      { 'x-gitlab-event': 'Note Hook' },
      { object_kind: 'note', object_attributes: { id: 5, note: COMMAND }, issue: { iid: 7 } },
    ],
  ])('takes nothing else of %s for a command', (name, headers, payload) => {
    const body = Buffer.from(JSON.stringify(payload));
    expect(FORGES[name].read({ headers, body }).kind).toBe('other');
  });

  it.each<[ForgeName, Record<string, string>, object]>([
    ['github', { 'x-github-event': 'issue_comment' }, { action: 'edited' }],
    ['gitea', { 'x-gitea-event': 'issue_comment', 'x-gitea-event-type': 'pull_request_comment' }, {}],
    ['gitlab', { 'x-gitlab-event': 'Note Hook' }, { object_kind: 'note' }],
  ])('has our own comment on %s set off nothing', (name, headers, payload) => {
    const body = Buffer.from(JSON.stringify(payload));
    expect(FORGES[name].read({ headers, body }).kind).toBe('other');
  });

  it("takes Forgejo's own headers", () => {
    const body = JSON.stringify({ ref: MAIN });
    const headers = { 'x-forgejo-event': 'push', 'x-forgejo-signature': hmac(body) };
    const delivery = { headers, body: Buffer.from(body) };
    expect(FORGES.gitea.isAuthentic(delivery, SECRET, NOW)).toBe(true);
    expect(FORGES.gitea.read(delivery)).toEqual({ kind: 'push', refs: [MAIN] });
  });

  it('agrees with the test vector of the GitHub documentation', () => {
    const headers = {
      'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17',
    };
    const delivery = { headers, body: Buffer.from('Hello, World!') };
    expect(FORGES.github.isAuthentic(delivery, "It's a Secret to Everybody", NOW)).toBe(true);
  });
});

describe("GitLab's signing token", () => {
  const body = JSON.stringify({ object_kind: 'push', ref: MAIN });
  const minutes = (count: number) => new Date(NOW.getTime() + count * 60_000);
  const isTaken = (headers: Record<string, string>, secret = SIGNING_TOKEN) =>
    FORGES.gitlab.isAuthentic({ headers, body: Buffer.from(body) }, secret, NOW);

  it('agrees with the test vector of the Standard Webhooks specification', () => {
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const delivery = { headers, body: Buffer.from('{"test": 2432232314}') };
    const at = new Date(1_614_265_330_000);
    expect(FORGES.gitlab.isAuthentic(delivery, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', at)).toBe(true);
  });

  it.each<[string, Record<string, string>, boolean]>([
    ['signed now', gitlabSignature(body), true],
    ['signed with two tokens, one of them ours', twoSignatures(), true],
    ['signed with another token', gitlabSignature(body, { token: 'whsec_AAAA' }), false],
    ['of another body', gitlabSignature(`${body} `), false],
    ['six minutes old', gitlabSignature(body, { at: minutes(-6) }), false],
    ['from six minutes ahead', gitlabSignature(body, { at: minutes(6) }), false],
    ['under another id', { ...gitlabSignature(body), 'webhook-id': 'msg_2' }, false],
    ['without a time', { ...gitlabSignature(body), 'webhook-timestamp': '' }, false],
    ['with a time that is none', { ...gitlabSignature(body), 'webhook-timestamp': '1e9' }, false],
    ['with the token itself instead', { 'x-gitlab-token': SIGNING_TOKEN }, false],
  ])('takes, or does not, a delivery %s', (_what, headers, taken) => {
    expect(isTaken(headers)).toBe(taken);
  });

  it('takes nothing by a signing token that is empty', () => {
    expect(isTaken(gitlabSignature(body, { token: 'whsec_' }), 'whsec_')).toBe(false);
  });

  function twoSignatures(): Record<string, string> {
    const ours = gitlabSignature(body);
    const other = gitlabSignature(body, { token: 'whsec_AAAA' })['webhook-signature'];
    return { ...ours, 'webhook-signature': `${other} ${ours['webhook-signature']}` };
  }
});

describe('whatever comes', () => {
  const HEADERS = [...new Set(FORGE_NAMES.flatMap((name) => Object.keys(SENDERS[name]('{}'))))];
  const value = fc.oneof(
    fc.string({ maxLength: 100 }),
    fc.constantFrom('push', 'repo:push', 'repo:refs_changed', 'Push Hook', 'v1,', 'sha256='),
    fc.stringMatching(/^(sha256=)?[0-9a-fA-F]{64}$/),
  );
  const headers = fc.dictionary(fc.constantFrom(...HEADERS), value);
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 500 }),
    fc.json().map((json) => Buffer.from(json)),
    fc
      .record({
        object_kind: fc.constantFrom('push', 'tag_push'),
        ref: fc.jsonValue(),
        changes: fc.jsonValue(),
      })
      .map((payload) => Buffer.from(JSON.stringify(payload))),
  );

  it.each(FORGE_NAMES)('%s accepts nothing without the proof, and always reads something', (name) => {
    fc.assert(
      fc.property(headers, body, (given, bytes) => {
        const delivery = { headers: given, body: bytes };
        expect(FORGES[name].isAuthentic(delivery, SECRET, NOW)).toBe(false);
        expect(FORGES[name].isAuthentic(delivery, SIGNING_TOKEN, NOW)).toBe(false);
        expect(FORGES[name].read(delivery).kind).toMatch(/^(push|look|ping|other|malformed)$/);
      }),
      { numRuns: 400 },
    );
  });
});
