import { judgeAnswer, reasonOf, type Verdict } from '../answer.ts';
import { numberAt } from '../payload.ts';
import { headersFor } from '../request.ts';
import { gitea } from './gitea.ts';
import { github } from './github.ts';
import { gitlab } from './gitlab.ts';
import type { ApiCall, Comment, PullApi, PullForge, PullRequest } from './pull-request.ts';

/** A repository of a forge whose pull requests are planned. */
export interface PullTarget {
  readonly forge: PullForge;
  /** Base of its API, without a slash at the end. */
  readonly api: string;
  readonly repository: string;
}

/** Pull requests of one repository and one branch, and our comments on them. Every method throws a ForgeFailure. */
export interface PullClient {
  openPulls(signal: AbortSignal): Promise<readonly PullRequest[]>;
  /** The first comment of our own user that begins with the line. */
  findComment(number: number, marker: string, signal: AbortSignal): Promise<Comment | undefined>;
  readComment(number: number, id: number, signal: AbortSignal): Promise<Comment>;
  /** Gives the comment's id. After a failure nobody knows whether it is there: look again first. */
  comment(number: number, body: string, signal: AbortSignal): Promise<number>;
  edit(number: number, id: number, body: string, signal: AbortSignal): Promise<void>;
}

export interface ClientSettings {
  readonly target: PullTarget;
  /** The branch that they go to. */
  readonly branch: string;
  /** Asked for at each call, and never kept. */
  readonly token: () => string;
  /** Of one call. Default 30 s. */
  readonly timeoutMs?: number;
  /** Longest answer. Default 64 MiB: ten texts as long as forges take them. */
  readonly maxAnswerBytes?: number;
}

/** The forge did not do what it was asked. */
export class ForgeFailure extends Error {
  readonly verdict: Exclude<Verdict, { kind: 'done' }>;
  /** By what somebody wrote there: it says nothing of the forge, or of other pull requests. */
  readonly isOfOne: boolean;

  constructor(verdict: Exclude<Verdict, { kind: 'done' }>, isOfOne = false) {
    super(verdict.why);
    this.name = 'ForgeFailure';
    this.verdict = verdict;
    this.isOfOne = isOfOne;
  }
}

const APIS: Readonly<Record<PullForge, PullApi>> = { github, gitlab, gitea };

/** Of one list; more is not looked at. */
const MAX_PAGES = 100;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function createPullClient(settings: ClientSettings): PullClient {
  const { target, branch } = settings;
  const { repository } = target;
  const api = APIS[target.forge];
  let own: number | undefined;

  async function* pages(pageOf: (page: number) => ApiCall, sent: Sent) {
    for (let page = 1; page <= MAX_PAGES; page++) {
      const { json, isLast } = await call(settings, pageOf(page), sent);
      if (!Array.isArray(json)) throw malformed();
      const items: readonly unknown[] = json;
      yield items;
      if (isLast) return;
    }
  }

  async function ownUser(signal: AbortSignal): Promise<number> {
    own ??= numberAt((await call(settings, { method: 'GET', path: '/user' }, { signal })).json, 'id');
    if (own === undefined) throw malformed();
    return own;
  }

  return {
    async openPulls(signal) {
      const found = new Map<number, PullRequest>();
      for await (const items of pages((page) => api.list(repository, branch, page), { signal }))
        for (const item of items) {
          const pull = api.pullOf(item, branch);
          // One that moves between two pages while they are read is on both.
          if (pull !== undefined) found.set(pull.number, pull);
        }
      return [...found.values()];
    },
    async findComment(number, marker, signal) {
      const user = await ownUser(signal);
      const sent = { signal, isOfOne: true };
      for await (const items of pages((page) => api.comments(repository, number, page), sent))
        for (const item of items) {
          const comment = api.commentOf(item);
          if (comment?.author === user && comment.body.startsWith(marker)) return comment;
        }
      return undefined;
    },
    async readComment(number, id, signal) {
      const sent = { signal, isOfOne: true };
      const comment = api.commentOf((await call(settings, api.commentAt(repository, number, id), sent)).json);
      if (comment === undefined) throw malformed(true);
      return comment;
    },
    async comment(number, body, signal) {
      const { json } = await call(settings, api.create(repository, number), { body, signal });
      const id = numberAt(json, 'id');
      if (id === undefined) throw malformed();
      return id;
    },
    async edit(number, id, body, signal) {
      await call(settings, api.edit(repository, number, id), { body, signal });
    },
  };
}

interface Sent {
  /** Text of a comment. */
  readonly body?: string;
  readonly signal: AbortSignal;
  /** An answer that is too long is by what somebody wrote in this pull request. */
  readonly isOfOne?: boolean;
}

async function call(
  { target, token, timeoutMs = 30_000, maxAnswerBytes = MAX_ANSWER_BYTES }: ClientSettings,
  { method, path }: ApiCall,
  { body, signal, isOfOne = false }: Sent,
): Promise<{ json: unknown; isLast: boolean }> {
  const request = {
    method,
    headers: headersFor(target.forge, token()),
    ...(body !== undefined && { body: JSON.stringify({ body }) }),
    // A token is not carried to where the forge points.
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  } as const;
  const { answer, text } = await ask(`${target.api}${path}`, request, maxAnswerBytes).catch(
    (error: unknown) => {
      signal.throwIfAborted();
      throw new ForgeFailure({ kind: 'again', why: reasonOf(error) });
    },
  );
  if (text === undefined)
    throw new ForgeFailure({ kind: 'again', why: `an answer of over ${maxAnswerBytes} bytes` }, isOfOne);
  const verdict = judgeAnswer(answer, text.slice(0, 4096), new Date());
  if (verdict.kind !== 'done') throw new ForgeFailure(verdict);
  return { json: parse(text), isLast: !/\brel="?next\b/.test(answer.headers.get('link') ?? '') };
}

/** Without a text: it is too long. */
async function ask(url: string, request: RequestInit, maxBytes: number) {
  const answer = await fetch(url, request);
  const decoder = new TextDecoder();
  let [text, bytes] = ['', 0];
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) return { answer, text: undefined };
    text += decoder.decode(chunk, { stream: true });
  }
  return { answer, text };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // An edit may be answered with nothing.
    return undefined;
  }
}

function malformed(isOfOne = false): ForgeFailure {
  const why = 'an answer that is not of its API: check api in operator.yaml';
  return new ForgeFailure({ kind: 'again', why }, isOfOne);
}
