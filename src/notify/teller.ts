import { setTimeout as sleep } from 'node:timers/promises';
import { type Interest, newsFor } from '../core/notifying/news.ts';
import type { Standings } from '../core/notifying/standing.ts';
import { composeMessage, type Message } from './message.ts';
import type { Verdict } from './verdict.ts';

export interface NotifyLog {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
}

/** Somebody who is told, and how. */
export interface Receiver {
  readonly name: string;
  readonly interest: Interest;
  /** How long something stands before it is told: what is mended by then is never told. */
  readonly delayMs: number;
  /** Brings a message there. Never throws. */
  readonly deliver: (message: Message, signal: AbortSignal) => Promise<Verdict>;
}

/** What a teller needs to know at each try, as it is then. */
export interface TellerFacts {
  readonly now: () => { readonly cluster: string; readonly standings: Standings };
  readonly told: () => Standings;
  /** The receiver has this. Never rejects. */
  readonly sent: (notices: Standings) => Promise<void>;
}

export interface TellerOptions {
  readonly log: NotifyLog;
  /** Of one try. Default 30 s. */
  readonly timeoutMs?: number;
  /** Wait after the first failure; it doubles up to five minutes. Default 1 s. */
  readonly firstDelayMs?: number;
  /** Wait after the receiver has refused. Default 10 min. */
  readonly deniedDelayMs?: number;
}

const MAX_DELAY_MS = 300_000;

/**
 * Keeps one receiver up to date. There is no queue: each try tells how things stand by then as against what the receiver
 * was told last, so a receiver that was away hears what still counts, and once.
 */
export class Teller {
  readonly #receiver: Receiver;
  readonly #facts: TellerFacts;
  readonly #options: TellerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #wake = new AbortController();
  #inHurry = false;
  #isDenied = false;
  #failures = 0;
  #problem: string | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(receiver: Receiver, facts: TellerFacts, options: TellerOptions) {
    this.#receiver = receiver;
    this.#facts = facts;
    this.#options = options;
  }

  get name(): string {
    return this.#receiver.name;
  }

  /** What it has yet to be told. */
  get pending(): number {
    return this.#news().size;
  }

  /** Why the last try failed, wholly or in part; undefined when it did not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Things may stand otherwise than before. */
  look(): void {
    if (this.#stopping.signal.aborted || this.#news().size === 0) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      this.look();
      this.#announce();
    });
  }

  /** Tries at once, and returns when all is told, the receiver refuses, or the signal aborts. Never throws. */
  async flush(signal: AbortSignal): Promise<void> {
    this.#inHurry = true;
    this.#isDenied = false;
    this.#wake.abort();
    while (this.#running !== undefined && !this.#isDenied && !signal.aborted) await this.#nextTry(signal);
    this.#inHurry = false;
  }

  /** Ends it. What is not told is told after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  #news(): Standings {
    return newsFor(this.#receiver.interest, this.#facts.told(), this.#facts.now().standings);
  }

  /** Ends when all is told, so an idle one holds nothing. */
  async #run(): Promise<void> {
    await this.#rest(this.#receiver.delayMs);
    while (!this.#stopping.signal.aborted) {
      const news = this.#news();
      if (news.size === 0) return;
      const delayMs = await this.#tell(news);
      this.#announce();
      if (delayMs > 0) await this.#rest(delayMs);
    }
  }

  /** Gives the milliseconds until the next try. */
  async #tell(news: Standings): Promise<number> {
    const { name, deliver } = this.#receiver;
    const { timeoutMs = 30_000, deniedDelayMs = 600_000 } = this.#options;
    const message = composeMessage(name, this.#facts.now().cluster, [...news.values()]);
    const signal = AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(timeoutMs)]);
    const verdict = await deliver(message, signal);
    switch (verdict.kind) {
      case 'done':
        return this.#done(news, verdict.problem);
      case 'again':
        this.#failed(verdict.why, 'a receiver of notifications cannot be told, trying on');
        return Math.max(this.#backoff(), verdict.afterMs ?? 0);
      case 'denied':
        this.#isDenied = true;
        this.#failed(
          verdict.why,
          'a receiver of notifications refuses them: check its address and its login',
        );
        return deniedDelayMs;
    }
  }

  async #done(news: Standings, problem: string | undefined): Promise<number> {
    await this.#facts.sent(news);
    const { log } = this.#options;
    const facts = { receiver: this.name };
    if (problem === undefined && this.#problem !== undefined)
      log.info(facts, 'a receiver of notifications is told again');
    if (problem !== undefined && problem !== this.#problem)
      log.warn({ ...facts, why: problem }, 'a receiver of notifications is told in part');
    this.#failures = 0;
    this.#problem = problem;
    return 0;
  }

  /** Said once, not for each try. */
  #failed(why: string, message: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#failures += 1;
    if (this.#problem !== why)
      this.#options.log.warn({ receiver: this.name, why, pending: this.pending }, message);
    this.#problem = why;
  }

  #backoff(): number {
    const { firstDelayMs = 1000 } = this.#options;
    const cap = Math.min(MAX_DELAY_MS, firstDelayMs * 2 ** Math.min(this.#failures - 1, 20));
    return cap * (0.5 + 0.5 * Math.random());
  }

  async #rest(ms: number): Promise<void> {
    this.#wake = new AbortController();
    const hurried = this.#inHurry ? Math.min(ms, this.#failures === 0 ? 0 : 1000) : ms;
    const signal = AbortSignal.any([this.#wake.signal, this.#stopping.signal]);
    // It only ever ends early because somebody wants a try now, or none any more.
    if (hurried > 0) await sleep(hurried, undefined, { signal }).catch(() => undefined);
  }

  #nextTry(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#listeners.add(done);
      signal.addEventListener('abort', done);
    });
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }
}
