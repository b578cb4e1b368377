import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage, OperatorError } from '../errors.ts';
import type { Notes } from '../ports.ts';
import type { Mirror } from './mirror.ts';
import type { GitLog } from './mirror-state.ts';
import { isRefused, isRejected, pushNotes } from './notes-push.ts';

export interface NotesSettings {
  readonly mirror: Mirror;
  /** Default `refs/notes/kvm-gitops`. */
  readonly ref?: string;
  readonly log: GitLog;
  /** Longest wait between two tries. Default 1 min. */
  readonly maxDelayMs?: number;
  /** Wait after the remote refused to be written. Default 10 min. */
  readonly refusedDelayMs?: number;
}

/** The one writer of the notes. `put` only remembers; the rest happens in the background. */
export interface NotesWriter extends Notes {
  /** Notes that are not at the remote yet. */
  readonly pending: number;
  /** Why the last try failed; undefined when it did not. */
  readonly problem: OperatorError | undefined;
  /** Tries at once, and returns when nothing is pending, the remote refuses, or the signal aborts. Never throws. */
  flush(signal: AbortSignal): Promise<void>;
  /** Ends the writer after its current git command. What is pending stays unwritten. */
  stop(): Promise<void>;
}

export const NOTES_REF = 'refs/notes/kvm-gitops';

const FIRST_DELAY_MS = 50;
/** Whoever lost a race waits a multiple of what a try takes: many writers, or a slow remote, are to spread out. */
const LONGEST_RACE_DELAY_MS = 20_000;
const WORTH_A_WARNING = 5;

/** A writer that pushes without force, one batch at a time, and tries until every note is there. */
export function createNotes(settings: NotesSettings): NotesWriter {
  const ref = checkNotesRef(settings.ref ?? NOTES_REF);
  return new Writer(settings, ref);
}

class Writer implements NotesWriter {
  readonly #settings: NotesSettings;
  readonly #ref: string;
  readonly #texts = new Map<string, string>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #wake = new AbortController();
  #failures = 0;
  #refused = false;
  #outrun = false;
  #tookMs = 0;
  #warned = false;
  #problem: OperatorError | undefined;
  #listeners = new Set<() => void>();

  constructor(settings: NotesSettings, ref: string) {
    this.#settings = settings;
    this.#ref = ref;
  }

  get pending(): number {
    return this.#texts.size;
  }

  get problem(): OperatorError | undefined {
    return this.#problem;
  }

  put(sha: string, text: string): void {
    if (this.#stopping.signal.aborted) return;
    this.#texts.set(sha, text);
    this.#start();
  }

  async flush(signal: AbortSignal): Promise<void> {
    this.#refused = false;
    this.#wake.abort();
    while (this.#running !== undefined && !this.#refused && !signal.aborted) await this.#nextTry(signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    await this.#running;
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#texts.size > 0 && !this.#stopping.signal.aborted) this.#start();
      this.#announce();
    });
  }

  /** Ends when nothing is pending, so an idle writer holds nothing. */
  async #run(): Promise<void> {
    // Let what is put in the same turn go out together.
    await Promise.resolve();
    while (this.#texts.size > 0 && !this.#stopping.signal.aborted) {
      await this.#try();
      this.#announce();
      if (this.#failures > 0) await this.#rest();
    }
  }

  async #try(): Promise<void> {
    const batch = new Map(this.#texts);
    const { mirror, log } = this.#settings;
    const startedAt = performance.now();
    try {
      const isRetry = this.#failures > 0;
      const lost = await pushNotes(mirror, { ref: this.#ref, texts: batch, isRetry }, this.#stopping.signal);
      if (lost.length > 0) log.warn({ commits: lost }, 'commits that the mirror does not have get no note');
      if (this.#failures > 0) log.info({ ref: this.#ref }, 'git notes are written again');
      for (const [sha, text] of batch) if (this.#texts.get(sha) === text) this.#texts.delete(sha);
      this.#failures = 0;
      this.#refused = false;
      this.#warned = false;
      this.#problem = undefined;
    } catch (error) {
      this.#tookMs = performance.now() - startedAt;
      if (!this.#stopping.signal.aborted) this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    this.#refused = isRefused(error);
    this.#outrun = isRejected(error) && !this.#refused;
    this.#failures += 1;
    this.#problem =
      error instanceof OperatorError
        ? error
        : new OperatorError('E_NOTES_PUSH', errorMessage(error), { cause: error });
    const message = this.#refused
      ? 'the remote refuses git notes; results stand in the journal only'
      : 'git notes could not be pushed, trying on';
    // A lost race is common and mends itself; only what lasts is worth a warning.
    const lasts = this.#refused || (this.#failures >= WORTH_A_WARNING && !this.#outrun);
    const level = lasts && !this.#warned ? 'warn' : 'debug';
    this.#warned ||= lasts;
    this.#settings.log[level]({ err: this.#problem, ref: this.#ref, pending: this.pending }, message);
  }

  async #rest(): Promise<void> {
    this.#wake = new AbortController();
    if (this.#stopping.signal.aborted) return;
    const jittered = this.#delayMs() * (0.2 + 0.8 * Math.random());
    // It only ever ends early because somebody wants a try now, or none any more.
    await sleep(jittered, undefined, { signal: this.#wake.signal }).catch(() => undefined);
  }

  #delayMs(): number {
    const { maxDelayMs = 60_000, refusedDelayMs = 600_000 } = this.#settings;
    if (this.#refused) return refusedDelayMs;
    const [first, cap] = this.#outrun
      ? [this.#tookMs, Math.min(maxDelayMs, LONGEST_RACE_DELAY_MS)]
      : [FIRST_DELAY_MS, maxDelayMs];
    return Math.min(cap, first * 2 ** Math.min(this.#failures, 20));
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

/** A ref that holds notes; throws E_CONFIG_INVALID otherwise. */
export function checkNotesRef(ref: string): string {
  if (/^refs\/notes\/[A-Za-z0-9_][A-Za-z0-9_/-]*$/.test(ref) && !/\/\/|\/$/.test(ref)) return ref;
  throw new OperatorError('E_CONFIG_INVALID', `${JSON.stringify(ref)} is no notes ref: use refs/notes/NAME`);
}
