import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ShownState } from '../../src/forge/statuses/request.ts';
import { createStatusSender, type StatusSender } from '../../src/forge/statuses/sender.ts';
import type { StatusForge } from '../../src/forge/statuses/target.ts';
import { waitFor } from '../lab/wait.ts';

const SHA = 'a'.repeat(40);
const OTHER = 'b'.repeat(40);
const TOKEN = 'canary-token-4711';
const GREEN: ShownState = { state: 'success', description: 'applied: created 2' };
const YELLOW: ShownState = { state: 'pending', description: 'applying 2 steps' };

interface Told {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly text?: string;
  /** More would come after the text. */
  readonly isEndless?: true;
}

let server: Server;
let told: Told[] = [];
let answers: (Answer | 'hang up')[] = [];
let lines: string[] = [];
let sender: StatusSender | undefined;

beforeEach(async () => {
  [told, answers, lines] = [[], [], []];
  server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (more: string) => (text += more));
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      told.push({ method, path, headers, body: JSON.parse(text) });
      const answer = answers.shift() ?? { status: 201 };
      if (answer === 'hang up') return request.socket.destroy();
      response.writeHead(answer.status, answer.headers);
      if (answer.isEndless) response.write(answer.text);
      else response.end(answer.text ?? '{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  await sender?.stop();
  server.closeAllConnections();
  server.close();
});

function start(forge: StatusForge = 'github', url?: string, firstDelayMs = 2): StatusSender {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stub does not listen');
  const { port } = address;
  const say = (facts: object, message: string) => lines.push(`${message} ${JSON.stringify(facts)}`);
  sender = createStatusSender({
    target: {
      forge,
      api: `http://127.0.0.1:${port}`,
      repository: forge === 'gitlab' ? 'ops/vms/manifests' : 'acme/manifests',
      context: 'kvm-gitops',
      url,
    },
    token: () => TOKEN,
    log: { info: say, warn: say },
    firstDelayMs,
    deniedDelayMs: 5,
  });
  return sender;
}

/** Returns once everything is said. */
async function send(...states: readonly (readonly [string, ShownState])[]): Promise<void> {
  const one = sender ?? start();
  for (const [sha, shown] of states) one.put(sha, shown);
  await one.flush(AbortSignal.timeout(10_000));
  expect(one.pending).toBe(0);
}

describe('the state of a commit', () => {
  it.each<{ forge: StatusForge; path: string; proof: object; body: object }>([
    {
      forge: 'github',
      path: `/repos/acme/manifests/statuses/${SHA}`,
      proof: { authorization: `Bearer ${TOKEN}`, 'x-github-api-version': '2022-11-28' },
      body: { state: 'success', context: 'kvm-gitops', description: GREEN.description },
    },
    {
      forge: 'gitea',
      path: `/repos/acme/manifests/statuses/${SHA}`,
      proof: { authorization: `token ${TOKEN}` },
      body: { state: 'success', context: 'kvm-gitops', description: GREEN.description },
    },
    {
      forge: 'gitlab',
      path: `/projects/ops%2Fvms%2Fmanifests/statuses/${SHA}`,
      proof: { 'private-token': TOKEN },
      body: { state: 'success', name: 'kvm-gitops', description: GREEN.description },
    },
    {
      forge: 'bitbucket',
      path: `/repositories/acme/manifests/commit/${SHA}/statuses/build`,
      proof: { authorization: `Bearer ${TOKEN}` },
      body: {
        key: 'kvm-gitops',
        name: 'kvm-gitops',
        state: 'SUCCESSFUL',
        description: GREEN.description,
        url: `https://bitbucket.org/acme/manifests/commits/${SHA}`,
      },
    },
  ])('is told $forge as it wants to hear it', async ({ forge, path, proof, body }) => {
    start(forge);
    await send([SHA, GREEN]);
    expect(told).toMatchObject([{ method: 'POST', path, headers: proof }]);
    expect(told[0]?.body).toEqual(body);
  });

  it('leads to where a person reads more', async () => {
    start('github', 'https://vms.example.org');
    await send([SHA, GREEN]);
    expect(told[0]?.body).toMatchObject({ target_url: 'https://vms.example.org' });
  });

  it('is the newest one, once for each change', async () => {
    start();
    await send([SHA, YELLOW], [SHA, GREEN]);
    await send([SHA, GREEN]);
    await send([SHA, YELLOW]);
    expect(told.map(({ body }) => body)).toMatchObject([{ state: 'success' }, { state: 'pending' }]);
  });

  it.each<{ what: string; first: (Answer | 'hang up')[] }>([
    { what: 'is broken', first: [{ status: 502 }, { status: 500 }] },
    { what: 'hangs up', first: ['hang up'] },
    { what: 'has had enough', first: [{ status: 429, headers: { 'retry-after': '0' } }] },
    {
      what: 'has had enough of it, as GitHub says that',
      first: [{ status: 403, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '0' } }],
    },
    { what: 'does not know the commit yet', first: [{ status: 404 }, { status: 422 }] },
    { what: 'denied the token, which was mended since', first: [{ status: 401 }] },
  ])('comes to a forge that $what', async ({ first }) => {
    answers = [...first];
    start();
    await send([SHA, GREEN]);
    expect(told).toHaveLength(first.length + 1);
    expect(sender?.problem).toBeUndefined();
  });

  it('is told to a forge that has no end of an answer', async () => {
    answers = [{ status: 201, text: 'x'.repeat(100_000), isEndless: true }];
    start();
    await send([SHA, GREEN]);
    expect(told).toHaveLength(1);
  });

  it('is not said again to a GitLab that shows it', async () => {
    answers = [{ status: 400, text: '{"message":"Cannot transition status via :enqueue from :pending"}' }];
    start('gitlab');
    await send([SHA, YELLOW]);
    expect(told).toHaveLength(1);
  });

  it('of a commit that the forge does not have is given up, and keeps no other waiting', async () => {
    answers = [{ status: 404 }, { status: 201 }, ...Array.from({ length: 5 }, () => ({ status: 404 }))];
    start();
    await send([SHA, GREEN], [OTHER, GREEN]);
    expect(told[1]?.path).toContain(OTHER);
    expect(told).toHaveLength(7);
    expect(lines).toEqual([expect.stringContaining('is not told of a commit')]);
  });

  it('goes to nowhere that the forge points to, and the token with it', async () => {
    answers = [{ status: 307, headers: { location: '/elsewhere' } }];
    start();
    await send([SHA, GREEN]);
    expect(told.map(({ path }) => path)).not.toContain('/elsewhere');
  });

  it('is no matter of the log but that it fails and that it works again, and no secret is in it', async () => {
    answers = Array.from({ length: 4 }, () => ({ status: 503, text: TOKEN }));
    start();
    await send([SHA, GREEN]);
    expect(lines).toEqual([expect.stringContaining('HTTP 503'), expect.stringContaining('again')]);
    expect(lines.join()).not.toContain(TOKEN);
  });

  it('leaves a forge alone for a while that wants to be told again at once', async () => {
    answers = Array.from({ length: 1000 }, () => ({ status: 429, headers: { 'retry-after': '0' } }));
    const one = start('github', undefined, 60_000);
    one.put(SHA, GREEN);
    await waitFor('the first try', () => one.problem === 'rate limit', { timeoutMs: 5000 });
    await one.flush(AbortSignal.timeout(50));
    expect(told).toHaveLength(1);
  });

  it('waits no longer than its time for a forge that is silent, and ends at once with the program', async () => {
    answers = Array.from({ length: 1000 }, () => ({ status: 503, headers: { 'retry-after': '3600' } }));
    const one = start();
    one.put(SHA, GREEN);
    await waitFor('the first try', () => told.length === 1, { timeoutMs: 5000 });
    await one.flush(AbortSignal.timeout(20));
    expect(one.pending).toBe(1);
    await one.stop();
    expect(told).toHaveLength(1);
  });
});
