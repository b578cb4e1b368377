import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OperatorError } from '../../src/errors.ts';
import { createPullClient } from '../../src/forge/pulls/client.ts';
import { createStatusSender } from '../../src/forge/statuses/sender.ts';
import type { PlanPull, Sight } from '../../src/review/pull-plan.ts';
import {
  createPullRequests,
  type PullRequests,
  type PullRequestsDeps,
} from '../../src/review/pull-requests.ts';
import { observedState } from '../builders.ts';
import { STRANGER, type StubForge, startStubForge } from '../forge/stub-forge.ts';
import { waitFor } from '../lab/wait.ts';

vi.setConfig({ testTimeout: 60_000 });

const TOKEN = 'canary-token-4711';
const PROOF = {
  authorization: `Bearer ${TOKEN}`,
  accept: 'application/vnd.github+json',
  'x-github-api-version': '2022-11-28',
  'user-agent': 'test',
};
const MARKER = '<!-- kvm-gitops/plan -->';
const [A, B, C] = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)];

let forge: StubForge;
let reviews: PullRequests;
let sight: Sight | undefined;
let lines: string[];
/** What the planner does, but for saying what it plans. */
let plan: PlanPull;
let planned: string[];

beforeEach(async () => {
  forge = await startStubForge('github', TOKEN);
  forge.pulls = [{ number: 1, head: A, branch: 'feature' }];
  [lines, planned] = [[], []];
  sight = sightOf('base-1');
  plan = async ({ head }, { base }) => ({
    base,
    state: { state: 'success', description: `plan of ${head[0]}` },
    text: `${MARKER}\n${head.slice(0, 12)} on ${base}`,
    isPassing: false,
  });
});
afterEach(async () => {
  await reviews.stop();
  forge.close(lines);
});

function sightOf(base: string): Sight {
  return { base, look: { question: { offline: new Set(), volumes: [] }, observed: observedState() } };
}

function start(changes: Partial<PullRequestsDeps> = {}): void {
  const target = {
    forge: 'github',
    api: forge.api,
    repository: 'acme/manifests',
    context: 'kvm-gitops/plan',
  } as const;
  const say = (facts: object, message: string) => lines.push(`${message} ${JSON.stringify(facts)}`);
  const log = { info: say, warn: say };
  const settings = { target, token: () => TOKEN, log, firstDelayMs: 2 };
  reviews = createPullRequests({
    client: createPullClient({ ...settings, branch: 'main', maxAnswerBytes: 100_000 }),
    statuses: createStatusSender(settings),
    plan(pull, seen, signal) {
      planned.push(`${pull.number} ${pull.head[0]} on ${seen.base}`);
      return plan(pull, seen, signal);
    },
    marker: MARKER,
    sight: () => sight,
    forks: true,
    commands: { retryAt: undefined, hear: () => {}, work: async () => {} },
    pollMs: 60_000,
    driftMs: 3_600_000,
    log,
    pauseMs: 1,
    firstDelayMs: 2,
    deniedDelayMs: 5,
    ...changes,
  });
  reviews.start();
}

function until<T>(what: string, condition: () => T | undefined | false): Promise<T> {
  return waitFor(what, condition, { timeoutMs: 30_000, intervalMs: 5 });
}

const bodies = () => forge.comments.map(({ body }) => body.split('\n')[1] ?? '');
const states = (sha: string) => forge.statuses.filter((one) => one.sha === sha).map(({ state }) => state);
/** All that was asked for is done. */
async function settled(): Promise<void> {
  const before = forge.calls.filter((call) => call === 'GET pulls').length;
  reviews.ask();
  await until('a round', () => forge.calls.filter((call) => call === 'GET pulls').length > before);
  reviews.ask();
  await until('another', () => forge.calls.filter((call) => call === 'GET pulls').length > before + 1);
}

describe('the comment on a pull request', () => {
  it('is one, and is edited when its commit or its base moves', async () => {
    start();
    await until('a comment', () => bodies()[0] === `${A.slice(0, 12)} on base-1`);
    forge.pulls = [{ number: 1, head: B, branch: 'feature' }];
    reviews.ask();
    await until('another commit', () => bodies()[0] === `${B.slice(0, 12)} on base-1`);
    sight = sightOf('base-2');
    reviews.passEnded();
    await until('another base', () => bodies()[0] === `${B.slice(0, 12)} on base-2`);
    expect(bodies()).toHaveLength(1);
    await until('states', () => states(B).at(-1) === 'success');
    expect([states(A).at(-1), states(B)[0]]).toEqual(['success', 'pending']);
  });

  it('is left as it is while nothing moves, and so is the forge by passes that bring nothing new', async () => {
    start();
    await until('a comment', () => forge.calls.includes('POST comment'));
    await settled();
    const calls = forge.calls.length;
    reviews.passEnded();
    reviews.passEnded();
    await reviews.stop();
    expect(planned).toEqual(['1 a on base-1']);
    expect(forge.calls.slice(0, calls).filter((call) => /comment|edit/.test(call))).toEqual([
      'GET comments',
      'POST comment',
    ]);
    expect(forge.calls).toHaveLength(calls);
  });

  it('is that of the process before, which is not said again, nor that a plan is being made', async () => {
    start();
    await until('a comment', () => states(A).includes('success'));
    await reviews.stop();
    forge.statuses.length = 0;
    start();
    await until('the state', () => states(A).length > 0);
    await settled();
    expect(states(A)).toEqual(['success']);
    expect(forge.calls.filter((call) => /POST comment|edit/.test(call))).toEqual(['POST comment']);
  });

  it('is never that of a stranger who wrote the line too', async () => {
    forge.comments.push({ id: 1, pull: 1, author: STRANGER, body: `${MARKER}\nmine` });
    start();
    await until('a comment', () => bodies().length === 2);
    expect(bodies()[0]).toBe('mine');
  });

  it('is written once though nobody heard that it was', async () => {
    forge.instead.set('POST comment', ['do and hang up']);
    start();
    await until('a round without failure', () => lines.some((line) => line.includes('looked at again')));
    expect(bodies()).toEqual([`${A.slice(0, 12)} on base-1`]);
    expect(forge.calls.filter((call) => call === 'POST comment')).toHaveLength(1);
  });

  it('is written anew where somebody deleted it', async () => {
    start();
    await until('a comment', () => bodies().length === 1);
    forge.comments.length = 0;
    forge.pulls = [{ number: 1, head: B, branch: 'feature' }];
    reviews.ask();
    await until('another', () => bodies()[0] === `${B.slice(0, 12)} on base-1`);
    expect(forge.comments).toHaveLength(1);
  });

  it.each([
    { what: 'does not know the pull request yet', instead: [{ status: 404 }, { status: 404 }] },
    { what: 'is broken', instead: [{ status: 502 }, { status: 503 }] },
    { what: 'hangs up', instead: ['hang up' as const] },
    { what: 'has had enough', instead: [{ status: 429, headers: { 'retry-after': '0' } }] },
  ])('comes to a forge that $what', async ({ instead }) => {
    forge.instead.set('POST comment', [...instead]);
    forge.instead.set(
      'GET pulls',
      [...instead].filter((one) => one === 'hang up' || one.status !== 404),
    );
    start();
    await until('a comment', () => bodies().length === 1);
    await settled();
    expect(reviews.state()).toEqual({ open: 1 });
  });
});

describe('a forge that cannot be asked', () => {
  it.each([
    ['for as long as it says', '3600', 2],
    ['for a while though it says at once', '0', 600_000],
  ])(
    'is left alone %s, whoever asks, and is not waited for at the end',
    async (_what, after, firstDelayMs) => {
      forge.instead.set('GET pulls', [{ status: 429, headers: { 'retry-after': after } }]);
      start({ firstDelayMs });
      await until('the problem', () => reviews.state().problem === 'rate limit');
      reviews.ask();
      reviews.ask();
      // Time enough for another call.
      for (let call = 0; call < 5; call++) await fetch(`${forge.api}/user`, { headers: PROOF });
      await reviews.stop();
      expect(forge.calls.filter((call) => call === 'GET pulls')).toHaveLength(1);
    },
  );

  it('is told of in the log once, and once more when it can be again', async () => {
    forge.instead.set('GET pulls', [{ status: 401 }, { status: 401 }, { status: 401 }]);
    start();
    await until('a comment', () => bodies().length === 1);
    await settled();
    expect(lines).toEqual([
      expect.stringContaining('denies our token the pull requests'),
      expect.stringContaining('looked at again'),
    ]);
  });

  it('is not asked before a pass has looked', async () => {
    sight = undefined;
    start();
    reviews.ask();
    reviews.passEnded();
    sight = sightOf('base-1');
    reviews.passEnded();
    await until('a comment', () => bodies().length === 1);
    expect(planned).toEqual(['1 a on base-1']);
  });
});

describe('plans of pull requests', () => {
  it('are made one at a time, and of one that moves meanwhile the newest is what stays', async () => {
    let resolve = () => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    const quick = plan;
    plan = async (pull, seen, signal) => {
      if (pull.head === A) await promise;
      return quick(pull, seen, signal);
    };
    forge.pulls = [...forge.pulls, { number: 2, head: C, branch: 'other' }];
    start();
    await until('the first plan', () => planned.length === 1);
    forge.pulls = [{ number: 1, head: B, branch: 'feature' }];
    reviews.ask();
    expect(planned).toEqual(['1 a on base-1']);
    resolve();
    await until('the newest', () => bodies().includes(`${B.slice(0, 12)} on base-1`));
    expect(forge.comments.filter(({ pull }) => pull === 1)).toHaveLength(1);
    await settled();
    expect(reviews.state()).toEqual({ open: 1 });
  });

  it('wait for git to have the commit, and say nothing of a moment', async () => {
    const quick = plan;
    plan = async (...args) => {
      if (planned.length < 3) throw new OperatorError('E_GIT_REMOTE', 'the remote does not have it yet');
      return quick(...args);
    };
    start();
    await until('a comment', () => bodies().length === 1);
    await until('the state', () => states(A).at(-1) === 'success');
    expect(states(A)).toEqual(['pending', 'success']);
    expect(lines).toEqual([]);
  });

  it('that cannot be made keep no other waiting, and say so beside the commit without what is ours', async () => {
    const quick = plan;
    plan = async (pull, ...rest) => {
      if (pull.number === 1) throw new OperatorError('E_GIT_REMOTE', '/srv/secret/path is broken');
      return quick(pull, ...rest);
    };
    forge.pulls = [...forge.pulls, { number: 2, head: C, branch: 'other' }];
    start();
    await until('the other', () => states(C).includes('success'));
    await until('the failure', () => states(A).at(-1) === 'failure');
    expect(forge.statuses.find(({ state }) => state === 'failure')?.description).toBe(
      "cannot be planned: the operator's log says why",
    );
    expect(lines.filter((line) => line.includes('cannot be planned'))).toHaveLength(1);
  });

  it('are made for others though what people wrote in one is too long to be read', async () => {
    const text = `[${' '.repeat(200_000)}]`;
    forge.instead.set('GET comments', [{ status: 200, text }]);
    forge.pulls = [...forge.pulls, { number: 2, head: C, branch: 'other' }];
    start({ firstDelayMs: 600_000 });
    await until('the other', () => states(C).includes('success'));
    expect(forge.calls.filter((call) => call === 'GET pulls')).toHaveLength(1);
    expect(bodies()).toEqual([`${C.slice(0, 12)} on base-1`]);
    expect(reviews.state()).toEqual({ open: 2 });
  });

  it('are made again when what the hosts show has moved, and only where that can matter', async () => {
    const quick = plan;
    plan = async (pull, ...rest) => ({ ...(await quick(pull, ...rest)), isPassing: pull.number === 1 });
    forge.pulls = [...forge.pulls, { number: 2, head: C, branch: 'other' }];
    start();
    await until('both', () => bodies().length === 2);
    sight = sightOf('base-1');
    await settled();
    expect(planned).toEqual(['1 a on base-1', '2 c on base-1', '1 a on base-1']);
  });

  it('leave forks out where they are switched off', async () => {
    forge.pulls = [
      { number: 1, head: A, branch: 'feature', fork: 'fork' },
      { number: 2, head: C, branch: 'other' },
    ];
    start({ forks: false });
    await until('a comment', () => bodies().length === 1);
    await settled();
    expect(planned).toEqual(['2 c on base-1']);
    expect(states(A)).toEqual([]);
  });

  it('are cut short when the operator stops', async () => {
    plan = (_pull, _seen, signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('cut short')));
      });
    start();
    await until('the plan', () => planned.length === 1);
    await reviews.stop();
    expect(lines).toEqual([]);
  });
});
