import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPullClient, ForgeFailure, type PullClient } from '../../src/forge/pulls/client.ts';
import { PULL_FORGES } from '../../src/forge/pulls/pull-request.ts';
import { type Instead, OPERATOR, STRANGER, type StubForge, startStubForge } from './stub-forge.ts';

const TOKEN = 'canary-token-4711';
const MARKER = '<!-- kvm-gitops/plan -->';
const HEAD = 'a'.repeat(40);
const signal = new AbortController().signal;

/** Where each forge has the newest commit of a pull request, and shows its files. */
const PLACES = {
  github: { ref: 'refs/pull/7/head', files: `https://forge.example/acme/manifests/blob/${HEAD}` },
  gitlab: { ref: 'refs/merge-requests/7/head', files: `https://forge.example/acme/manifests/-/blob/${HEAD}` },
  gitea: { ref: 'refs/pull/7/head', files: `https://forge.example/acme/manifests/src/commit/${HEAD}` },
};

describe.each(PULL_FORGES)('pull requests of %s', (name) => {
  let forge: StubForge;
  let client: PullClient;

  beforeEach(async () => {
    forge = await startStubForge(name, TOKEN);
    client = clientOf(TOKEN);
  });
  afterEach(() => forge.close());

  function clientOf(token: string, timeoutMs = 5000): PullClient {
    const target = { forge: name, api: forge.api, repository: 'acme/manifests' };
    return createPullClient({ target, branch: 'main', token: () => token, timeoutMs });
  }

  it('are those that are open into the branch, on however many pages, each with its commit', async () => {
    const others = Array.from({ length: 60 }, (_, index) => ({
      number: 100 + index,
      head: 'b'.repeat(40),
      branch: `b-${index}`,
    }));
    forge.pulls = [
      { number: 7, head: HEAD, branch: 'feature' },
      ...others,
      { number: 8, head: HEAD, branch: 'elsewhere', base: 'old' },
    ];
    const pulls = await client.openPulls(signal);
    expect(pulls.map(({ number }) => number)).toEqual([7, ...others.map(({ number }) => number)]);
    expect(pulls[0]).toEqual({ number: 7, head: HEAD, branch: 'feature', isFork: false, ...PLACES[name] });
    expect(forge.calls).toEqual(Array.from({ length: 7 }, () => 'GET pulls'));
  });

  it('are known for forks, and one whose fork was deleted too', async () => {
    forge.pulls = [
      { number: 7, head: HEAD, branch: 'main', fork: 'fork' },
      { number: 8, head: HEAD, branch: 'main', fork: null },
    ];
    const pulls = await client.openPulls(signal);
    expect(pulls.map(({ isFork }) => isFork)).toEqual([true, true]);
  });

  it('that name a commit which is none are left out', async () => {
    forge.pulls = [{ number: 7, head: '--upload-pack=x', branch: 'feature' }];
    expect(await client.openPulls(signal)).toEqual([]);
  });

  it('have our comment, which is the first of our own user that begins with the line', async () => {
    expect(await client.findComment(7, MARKER, signal)).toBeUndefined();
    const talk = Array.from({ length: 60 }, (_, index) => ({
      id: index + 1,
      pull: 7,
      author: STRANGER,
      body: `${MARKER}\n${index}`,
    }));
    forge.comments.push(...talk, { id: 61, pull: 7, author: OPERATOR, body: `> ${MARKER}` });
    const id = await client.comment(7, `${MARKER}\nplan`, signal);
    expect(await client.findComment(7, MARKER, signal)).toMatchObject({
      id,
      author: OPERATOR,
      body: `${MARKER}\nplan`,
    });
    await client.edit(7, id, `${MARKER}\nanother`, signal);
    expect(forge.comments.at(-1)).toMatchObject({ id, body: `${MARKER}\nanother` });
    expect(forge.comments.slice(0, 60)).toEqual(talk);
  });

  it('have comments of others, which are read with who wrote them and whether they were edited', async () => {
    const body = '/kvm-gitops confirm c0ffee123456';
    const [createdAt, updatedAt] = ['2026-11-25T12:00:00Z', '2026-11-25T12:01:00Z'];
    forge.comments.push({ id: 5, pull: 7, author: STRANGER, user: 'ann', body, createdAt, updatedAt });
    expect(await client.readComment(7, 5, signal)).toEqual({
      id: 5,
      author: STRANGER,
      user: 'ann',
      body,
      createdAt,
      updatedAt,
    });
    await expect(client.readComment(7, 6, signal)).rejects.toMatchObject({ verdict: { kind: 'absent' } });
  });

  it.each<{ what: string; instead: Instead; verdict: object }>([
    {
      what: 'has had enough',
      instead: { status: 429, headers: { 'retry-after': '7' } },
      verdict: { kind: 'again', afterMs: 7000 },
    },
    {
      what: 'has had enough, by a date',
      instead: { status: 429, headers: { 'retry-after': 'Wed, 01 Jan 2020 00:00:00 GMT' } },
      verdict: { kind: 'again', afterMs: 0 },
    },
    { what: 'is broken', instead: { status: 502 }, verdict: { kind: 'again', why: 'HTTP 502' } },
    { what: 'hangs up', instead: 'hang up', verdict: { kind: 'again' } },
    { what: 'denies the token', instead: { status: 403 }, verdict: { kind: 'denied' } },
    { what: 'does not know it yet', instead: { status: 404 }, verdict: { kind: 'absent' } },
    {
      what: 'points elsewhere',
      instead: { status: 307, headers: { location: '/elsewhere' } },
      verdict: { kind: 'again' },
    },
    {
      what: 'is none',
      instead: { status: 200, text: '<html>Sign in</html>' },
      verdict: { kind: 'again', why: expect.stringContaining('check api in operator.yaml') },
    },
  ])('say what is to be done where the forge $what', async ({ instead, verdict }) => {
    forge.instead.set('GET pulls', [instead]);
    const failure: unknown = await client.openPulls(signal).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ForgeFailure);
    expect(failure).toMatchObject({ verdict });
    expect(forge.calls).toEqual(['GET pulls']);
  });

  it('are not asked for longer than a call may take, and end with the program', async () => {
    const ended = AbortSignal.abort(new Error('the operator is stopping'));
    await expect(client.openPulls(ended)).rejects.toThrow('the operator is stopping');
  });

  it('never show the token', async () => {
    const failure = await clientOf('canary-token-4712')
      .openPulls(signal)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ verdict: { kind: 'denied', why: 'HTTP 401' } });
    expect(JSON.stringify(failure) + String(failure)).not.toContain('canary');
  });
});
