import { code } from '../core/review/markdown.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import { ForgeFailure, type PullClient } from '../forge/pulls/client.ts';
import type { Comment } from '../forge/pulls/pull-request.ts';

export interface CommandsDeps {
  readonly client: Pick<PullClient, 'readComment' | 'findComment' | 'comment'>;
  /** Names on the forge of those who may. */
  readonly confirmers: readonly string[];
  /** Throws E_USAGE where nothing that waits has this name. */
  readonly confirm: (hash: string, who: string) => Promise<void>;
  readonly now: () => Date;
  /** Wait after the first failure; it doubles. Default 1 s. */
  readonly firstDelayMs?: number;
  readonly log: {
    info(facts: object, message: string): void;
    warn(facts: object, message: string): void;
  };
}

/** What people tell the operator by comments: `/kvm-gitops confirm CODE`. */
export interface Commands {
  /** A comment may be one. That it was heard of proves nothing: it is read at the forge before anything is done. */
  hear(pull: number, comment: number): void;
  /** When something is to be tried again, by `performance.now()`. */
  readonly retryAt: number | undefined;
  /** Does what was heard, and answers. What fails is tried again later; throws where the forge itself fails. */
  work(signal: AbortSignal): Promise<void>;
}

const MAX_WAITING = 100;
const MAX_TRIES = 5;
/** While the forge itself fails. */
const MAX_TRIES_AWAY = 20;
const MAX_DONE = 1000;
/** One that is older was heard before, by this process or another. */
const MAX_AGE_MS = 3_600_000;
const USER = /^[\w.-]{1,64}$/;

interface Heard {
  readonly pull: number;
  readonly comment: number;
  readonly tries: number;
  readonly notBefore: number;
  /** What is done is not done again when only the answer failed. */
  readonly answer?: string;
}

export function createCommands(deps: CommandsDeps): Commands {
  const { client, log } = deps;
  const waiting = new Map<number, Heard>();
  const done = new Set<number>();
  let isFull = false;
  const mayConfirm = new Set(deps.confirmers.map((name) => name.toLowerCase()));

  /** Gives the answer; undefined: none. */
  async function obey({ pull, comment: id }: Heard, signal: AbortSignal): Promise<string | undefined> {
    const comment = await client.readComment(pull, id, signal);
    const { user = '' } = comment;
    if (!USER.test(user) || !mayConfirm.has(user.toLowerCase())) {
      log.warn(
        { pull, user: USER.test(user) ? user : undefined },
        'a command of somebody who may not confirm',
      );
      return undefined;
    }
    const [, hash] = /^\/kvm-gitops confirm ([0-9a-f]{12})\s*$/.exec(comment.body) ?? [];
    if (hash === undefined) return `Not understood: ${code('/kvm-gitops confirm CODE')} and nothing else.`;
    if (!isFresh(comment, deps.now()))
      return 'Not done: it was edited, or is more than an hour old. Write it anew.';
    try {
      await deps.confirm(hash, `${user} (comment on pull request ${pull})`);
    } catch (error) {
      if (!(error instanceof OperatorError) || error.code !== 'E_USAGE') throw error;
      return `Not done: ${code(errorMessage(error))}`;
    }
    log.info({ pull, user, hash }, 'confirmed by a comment');
    return `Confirmed by ${code(user)}: ${code(hash)}. The next pass removes what it names.`;
  }

  async function work(heard: Heard, signal: AbortSignal): Promise<void> {
    const answer = heard.answer ?? (await obey(heard, signal));
    done.add(heard.comment);
    for (const old of [...done].slice(0, -MAX_DONE)) done.delete(old);
    if (answer === undefined) return;
    // Nobody knows what became of the try before.
    if (heard.answer !== undefined && (await client.findComment(heard.pull, answer, signal)) !== undefined)
      return;
    waiting.set(heard.comment, { ...heard, answer });
    await client.comment(heard.pull, answer, signal);
  }

  function failed({ comment }: Heard, error: unknown): void {
    const heard = waiting.get(comment);
    if (heard === undefined) return;
    const isAway = error instanceof ForgeFailure && error.verdict.kind === 'again' && !error.isOfOne;
    const { pull } = heard;
    const tries = heard.tries + 1;
    // Rounds wait by themselves for a forge that fails.
    const delayMs = isAway ? 0 : (deps.firstDelayMs ?? 1000) * 2 ** heard.tries;
    if (tries < (isAway ? MAX_TRIES_AWAY : MAX_TRIES))
      waiting.set(comment, { ...heard, tries, notBefore: performance.now() + delayMs });
    else {
      waiting.delete(comment);
      log.warn({ pull, err: error }, 'a command is given up');
    }
    if (isAway) throw error;
  }

  return {
    get retryAt() {
      const times = [...waiting.values()].map(({ notBefore }) => notBefore);
      return times.length === 0 ? undefined : Math.min(...times);
    },
    hear(pull, comment) {
      if (mayConfirm.size === 0 || done.has(comment) || waiting.has(comment)) return;
      const hasRoom = waiting.size < MAX_WAITING;
      if (hasRoom) waiting.set(comment, { pull, comment, tries: 0, notBefore: 0 });
      // Said once, not for each: anybody may write them.
      else if (!isFull) log.warn({ pull, waiting: waiting.size }, 'commands are not heard: too many wait');
      isFull = !hasRoom;
    },
    async work(signal) {
      for (const heard of [...waiting.values()].filter(({ notBefore }) => notBefore <= performance.now())) {
        try {
          await work(heard, signal);
          waiting.delete(heard.comment);
        } catch (error) {
          signal.throwIfAborted();
          failed(heard, error);
        }
      }
    },
  };
}

/** Whoever may write in a repository can edit what another one said there. */
function isFresh({ createdAt = '', updatedAt }: Comment, now: Date): boolean {
  const age = now.getTime() - Date.parse(createdAt);
  return updatedAt === createdAt && age < MAX_AGE_MS && age > -MAX_AGE_MS;
}
