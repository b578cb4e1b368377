import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { PullForge } from '../../src/forge/pulls/pull-request.ts';
import { judgeCall } from './published.ts';

/** The user that our token is of. */
export const OPERATOR = 77;
export const STRANGER = 66;
const NOW = '2026-11-25T12:00:00Z';

export interface StubPull {
  readonly number: number;
  readonly head: string;
  readonly branch: string;
  readonly base?: string;
  /** `null`: the fork was deleted. */
  readonly fork?: 'fork' | null;
}

export interface StubComment {
  readonly id: number;
  readonly pull: number;
  readonly author: number;
  body: string;
  readonly user?: string;
  readonly createdAt?: string;
  readonly updatedAt?: string;
}

interface Shown {
  readonly sha: string;
  readonly state: string;
  readonly name: string;
  readonly description: string;
}

/** What it says instead of doing what it is asked; `do and hang up`: it does it, and nobody hears of that. */
export type Instead =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly text?: string }
  | 'hang up'
  | 'do and hang up';

/** A forge in memory, which takes no call that its original does not publish. */
export interface StubForge {
  readonly api: string;
  pulls: readonly StubPull[];
  readonly comments: StubComment[];
  readonly statuses: Shown[];
  /** `METHOD of`, as `GET pulls`. */
  readonly calls: string[];
  readonly mistakes: string[];
  /** For the next call of that kind, in order. */
  readonly instead: Map<string, Instead[]>;
  /** Throws where a call was not as its original publishes, or the token was in what is shown or said. */
  close(said?: readonly string[]): void;
}

export async function startStubForge(forge: PullForge, token: string): Promise<StubForge> {
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (more: string) => (text += more));
    request.on('end', () => answer(request, text, response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the forge does not listen');
  const stub: StubForge = {
    api: `http://127.0.0.1:${address.port}`,
    pulls: [],
    comments: [],
    statuses: [],
    calls: [],
    mistakes: [],
    instead: new Map(),
    close(said = []) {
      server.closeAllConnections();
      server.close();
      if (stub.mistakes.length > 0) throw new Error(stub.mistakes.join('\n'));
      if (JSON.stringify([stub.comments, stub.statuses, said]).includes(token))
        throw new Error('the token was shown');
    },
  };

  function answer(request: IncomingMessage, text: string, response: ServerResponse): void {
    const { method = '', url = '', headers } = request;
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    const call = judgeCall(forge, { method, url, headers, body });
    stub.mistakes.push(...call.mistakes);
    if (call.of === undefined) return void response.writeHead(404).end('{}');
    const kind = `${method} ${call.of}`;
    stub.calls.push(kind);
    const instead = stub.instead.get(kind)?.shift();
    if (instead === 'hang up') return void request.socket.destroy();
    if (instead !== undefined && instead !== 'do and hang up')
      return void response.writeHead(instead.status, instead.headers).end(instead.text ?? '{}');
    const isOurs = [`Bearer ${token}`, `token ${token}`].includes(headers.authorization ?? '');
    if (!isOurs && headers['private-token'] !== token) return void response.writeHead(401).end('{}');
    const done = act({ ...call, of: call.of }, body);
    if (instead === 'do and hang up') return void request.socket.destroy();
    response.writeHead(done.status, done.headers).end(JSON.stringify(done.json));
  }

  function act(call: { of: string; id: string; query: URLSearchParams }, body: unknown) {
    const said = new Map(Object.entries(body ?? {}).map(([key, value]) => [key, String(value)]));
    const ok = (json: unknown, status = 200) => ({ status, json, headers: {} });
    const text = said.get('body') ?? '';
    switch (call.of) {
      case 'user':
        return ok({ id: OPERATOR, login: 'operator' });
      case 'pulls':
        return page(call.query, stub.pulls.filter(isOf(call.query)).map(shapeOf));
      case 'comments': {
        const here = stub.comments.filter(({ pull }) => pull === Number(call.id)).map(commentShape);
        return forge === 'gitea' ? ok(here) : page(call.query, here);
      }
      case 'one': {
        const found = stub.comments.find(({ id }) => id === Number(call.id));
        return found === undefined ? ok({}, 404) : ok(commentShape(found));
      }
      case 'comment': {
        const one = { id: stub.comments.length + 1, pull: Number(call.id), author: OPERATOR, body: text };
        stub.comments.push(one);
        return ok(commentShape(one), 201);
      }
      case 'edit': {
        const found = stub.comments.find(({ id }) => id === Number(call.id));
        if (found === undefined) return ok({}, 404);
        // No forge lets a token without more rights edit what others wrote.
        if (found.author !== OPERATOR) return ok({}, 403);
        found.body = text;
        return ok(commentShape(found));
      }
      default: {
        const name = said.get('context') ?? said.get('name') ?? '';
        const [state = '', description = ''] = [said.get('state'), said.get('description')];
        stub.statuses.push({ sha: call.id, state, name, description });
        return ok({}, 201);
      }
    }
  }

  function isOf(query: URLSearchParams) {
    const branch = query.get('base') ?? query.get('target_branch');
    return ({ base = 'main' }: StubPull) => branch === null || branch === base;
  }

  function page(query: URLSearchParams, items: readonly unknown[]) {
    const size = Number(query.get('per_page') ?? query.get('limit') ?? 30);
    const number = Number(query.get('page') ?? 1);
    const isLast = number * size >= items.length;
    const link = `<${stub.api}/next>; rel="next", <${stub.api}/last>; rel="last"`;
    const headers: Record<string, string> = isLast ? {} : { link };
    return { status: 200, json: items.slice((number - 1) * size, number * size), headers };
  }

  function shapeOf({ number, head, branch, base = 'main', fork }: StubPull) {
    if (forge === 'gitlab') {
      const source_project_id = fork === undefined ? 1 : 2;
      const web_url = `https://forge.example/acme/manifests/-/merge_requests/${number}`;
      const branches = { source_branch: branch, target_branch: base, source_project_id };
      return { iid: number, id: 1000 + number, sha: head, ...branches, target_project_id: 1, web_url };
    }
    const repo = { id: 1, html_url: 'https://forge.example/acme/manifests' };
    const theirs = { id: 2, html_url: 'https://forge.example/stranger/manifests' };
    const headRepo = fork === null ? null : fork === undefined ? repo : theirs;
    return {
      number,
      head: {
        label: `${fork === undefined ? 'acme' : 'stranger'}:${branch}`,
        ref: branch,
        sha: head,
        repo: headRepo,
      },
      base: { ref: base, sha: 'f'.repeat(40), repo },
    };
  }

  function commentShape({
    id,
    author,
    body,
    user = `user-${author}`,
    createdAt = NOW,
    updatedAt = createdAt,
  }: StubComment) {
    const times = { created_at: createdAt, updated_at: updatedAt };
    if (forge === 'gitlab')
      return { id, body, author: { id: author, username: user }, system: false, ...times };
    return { id, body, user: { id: author, login: user }, ...times };
  }

  return stub;
}
