import { setTimeout as sleep } from 'node:timers/promises';
import { beginningOf, judgeAnswer, reasonOf, type Verdict } from '../answer.ts';
import { type ShownState, statusRequest } from './request.ts';
import type { StatusTarget } from './target.ts';

export interface SenderSettings {
  readonly target: StatusTarget;
  /** Asked for at each call, and never kept. */
  readonly token: () => string;
  readonly log: SenderLog;
  /** Of one call. Default 30 s. */
  readonly timeoutMs?: number;
  /** Wait after the first failure; it doubles up to a minute. Default 1 s. */
  readonly firstDelayMs?: number;
  /** Wait after the forge has denied the token. Default 10 min. */
  readonly deniedDelayMs?: number;
}

export interface SenderLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

/** The one who tells a forge how commits stand. `put` only remembers: no pass waits for a forge, or fails by one. */
export interface StatusSender {
  /** Commits whose state is not there yet. */
  readonly pending: number;
  /** Why the last try failed; undefined when it did not. */
  readonly problem: string | undefined;
  /** The newest state of a commit is what counts; one that was sent already is not sent again. */
  put(sha: string, shown: ShownState): void;
  /** Returns when nothing is pending, or the signal aborts. Never throws. */
  flush(signal: AbortSignal): Promise<void>;
  /** Ends it after its current call. What is pending stays unsaid. */
  stop(): Promise<void>;
}

const MAX_PENDING = 256;
const MAX_SENT = 1000;
const MAX_DELAY_MS = 60_000;
/** A forge may need a moment to know a commit that was just pushed. */
const MAX_ABSENT = 6;

interface Entry {
  readonly shown: ShownState;
  readonly absent: number;
}

export function createStatusSender(settings: SenderSettings): StatusSender {
  return new Sender(settings);
}

class Sender implements StatusSender {
  readonly #settings: SenderSettings;
  readonly #waiting = new Map<string, Entry>();
  readonly #sent = new Map<string, string>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #failures = 0;
  #problem: string | undefined;

  constructor(settings: SenderSettings) {
    this.#settings = settings;
  }

  get pending(): number {
    return this.#waiting.size;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  put(sha: string, shown: ShownState): void {
    if (this.#stopping.signal.aborted) return;
    this.#waiting.delete(sha);
    if (this.#sent.get(sha) === textOf(shown)) return;
    this.#waiting.set(sha, { shown, absent: 0 });
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > MAX_PENDING && oldest !== undefined) this.#giveUp(oldest, 'too many wait');
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
  }

  async flush(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    if (!signal.aborted) await Promise.race([this.#running, aborted]);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    // Let what is put in the same turn be sent as one.
    await Promise.resolve();
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || this.#stopping.signal.aborted) return;
      const delayMs = await this.#tell(...next);
      // It only ever ends early because the program does.
      if (delayMs > 0) await sleep(delayMs, undefined, this.#stopping).catch(() => undefined);
    }
  }

  /** Gives the milliseconds until the next call. */
  async #tell(sha: string, entry: Entry): Promise<number> {
    const verdict = await this.#call(sha, entry.shown);
    if (this.#stopping.signal.aborted && verdict.kind !== 'done') return 0;
    // A newer state may have come meanwhile.
    const isNewest = this.#waiting.get(sha) === entry;
    switch (verdict.kind) {
      case 'done':
        if (isNewest) this.#waiting.delete(sha);
        this.#remember(sha, entry.shown);
        this.#recovered();
        return 0;
      case 'absent':
        if (isNewest) this.#again(sha, entry, verdict.why);
        return this.#delay(1 + entry.absent);
      case 'again':
        this.#failed(verdict.why, 'the forge cannot be told of commits, trying on');
        return Math.max(this.#delay(this.#failures), verdict.afterMs ?? 0);
      case 'denied':
        this.#failed(verdict.why, 'the forge denies our token the state of commits: give it that right');
        return this.#settings.deniedDelayMs ?? 600_000;
    }
  }

  async #call(sha: string, shown: ShownState): Promise<Verdict> {
    const { target, token, timeoutMs = 30_000 } = this.#settings;
    try {
      const { url, headers, body } = statusRequest(target, token(), { sha, shown });
      const answer = await fetch(url, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        // A token is not carried to where the forge points.
        redirect: 'error',
        signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(timeoutMs)]),
      });
      return judgeAnswer(answer, await beginningOf(answer), new Date());
    } catch (error) {
      return { kind: 'again', why: reasonOf(error) };
    }
  }

  /** Behind the others: one commit that the forge does not know keeps none waiting. */
  #again(sha: string, { shown, absent }: Entry, why: string): void {
    if (absent + 1 >= MAX_ABSENT) return this.#giveUp(sha, why);
    this.#waiting.delete(sha);
    this.#waiting.set(sha, { shown, absent: absent + 1 });
  }

  #giveUp(sha: string, why: string): void {
    this.#waiting.delete(sha);
    const { repository } = this.#settings.target;
    this.#settings.log.warn({ commit: sha, repository, why }, 'the forge is not told of a commit');
  }

  #remember(sha: string, shown: ShownState): void {
    this.#sent.delete(sha);
    this.#sent.set(sha, textOf(shown));
    const [oldest] = this.#sent.keys();
    if (this.#sent.size > MAX_SENT && oldest !== undefined) this.#sent.delete(oldest);
  }

  /** Said once, not for each try. */
  #failed(why: string, message: string): void {
    this.#failures += 1;
    if (this.#problem !== why) this.#settings.log.warn({ why, pending: this.pending }, message);
    this.#problem = why;
  }

  #recovered(): void {
    if (this.#problem !== undefined) this.#settings.log.info({}, 'the forge is told of commits again');
    this.#failures = 0;
    this.#problem = undefined;
  }

  #delay(failures: number): number {
    const { firstDelayMs = 1000 } = this.#settings;
    const cap = Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** Math.min(failures - 1, 20));
    return cap * (0.5 + 0.5 * Math.random());
  }
}

function textOf({ state, description }: ShownState): string {
  return `${state} ${description}`;
}
