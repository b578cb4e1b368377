import type { Logger } from 'pino';
import type { Report } from '../core/report.ts';
import type { PassRequest } from './reconcile.ts';
import { Superseded } from './superseded.ts';

const FIRST_RETRY_MS = 5_000;
/** Events come in swarms, our own steps' among them, and other people's VMs may never be still. */
const EVENT_PAUSE_MS = 200;
const JITTER = 0.1;

export interface ControllerOptions {
  readonly pass: (request: PassRequest) => Promise<Report>;
  /** The newest commit of the branch, freshly fetched: asked while a pass runs. */
  readonly newestCommit: (signal: AbortSignal) => Promise<string>;
  /** How often the branch is looked at; a new commit asks for a pass. */
  readonly pollMs: number;
  /** How often there is a pass though nobody asked for one. */
  readonly driftMs: number;
  readonly log: Logger;
  /** In [0, 1); for jitter. */
  readonly random: () => number;
}

/** Knows when a pass runs, never what it does. */
export interface Controller {
  /** Asks for a pass. Asks that come while one runs collapse into one more. */
  ask(trigger: string): void;
  /** Looks whether the branch has moved, and asks for a pass only then. */
  look(): void;
  start(): void;
  /** Lets the steps that are begun finish, then ends. */
  stop(): Promise<void>;
  state(): ControllerState;
}

export interface ControllerState {
  readonly running: boolean;
  /** Passes that ended, well or not. */
  readonly passes: number;
  readonly nextPassAt?: Date;
  /** Passes in a row that broke or left failed steps. */
  readonly failures: number;
  /** Why the last pass broke, and when that began. */
  readonly lastError?: unknown;
  readonly failingSince?: Date;
}

/** A pass in which a failed VM only waits for its next try neither mends nor worsens anything. */
function failuresAfter(reports: readonly Report[], before: number): number {
  if (reports.some(({ steps }) => steps.some(({ outcome }) => outcome === 'failed'))) return before + 1;
  const waits = reports.some(({ held }) => held.some(({ because }) => because === 'retry'));
  return waits ? Math.max(before, 1) : 0;
}

/** Level-triggered: a counter of asks is compared before and after a pass, so that none is lost. */
export function createController(options: ControllerOptions): Controller {
  const { pass, newestCommit, log } = options;
  const stopping = new AbortController();
  let asked = 0;
  let trigger = 'start';
  let wake: () => void = () => {};
  let current: { readonly abort: AbortController; head?: string } | undefined;
  let head: string | undefined;
  let looking = false;
  let state: ControllerState = { running: false, passes: 0, failures: 0 };
  let ended: Promise<void> = Promise.resolve();

  function ask(by: string): void {
    asked++;
    trigger = by;
    wake();
    if (current !== undefined && by !== 'host event') void stopIfSuperseded(current);
  }

  /** Aborts the pass when the branch has moved on: the next step is not begun, the one that runs is finished. */
  async function stopIfSuperseded(running: NonNullable<typeof current>): Promise<void> {
    if (looking) return;
    looking = true;
    try {
      const newest = await newestCommit(stopping.signal);
      if (running.head !== undefined && newest !== running.head && running === current) {
        asked++;
        trigger = 'commit';
        running.abort.abort(new Superseded(newest));
      }
    } catch (err) {
      log.debug({ err }, 'could not look for a newer commit while a pass runs');
    } finally {
      looking = false;
    }
  }

  async function onePass(by: string): Promise<void> {
    const abort = new AbortController();
    const mine: NonNullable<typeof current> = { abort };
    current = mine;
    state = { ...state, running: true };
    const signal = AbortSignal.any([abort.signal, stopping.signal]);
    const watch = setInterval(() => void stopIfSuperseded(mine), options.pollMs);
    try {
      const reports = new Set<Report>();
      const report = await pass({
        trigger: by,
        signal,
        onReport: (one) => reports.add(one),
        onHead: (sha) => {
          mine.head = sha;
          head = sha;
        },
      });
      const { lastError: _, failingSince: __, ...rest } = state;
      state = { ...rest, failures: failuresAfter([...reports.add(report)], state.failures) };
    } catch (err) {
      if (!signal.aborted) {
        log.error({ err }, 'the pass failed');
        const failingSince = state.failingSince ?? new Date();
        state = { ...state, failures: state.failures + 1, lastError: err, failingSince };
      }
    } finally {
      clearInterval(watch);
      current = undefined;
      state = { ...state, running: false, passes: state.passes + 1 };
    }
  }

  /** Waits until somebody asks, the branch moves, or it is time for a pass anyway. */
  async function idle(): Promise<void> {
    const retryMs = FIRST_RETRY_MS * 2 ** (state.failures - 1);
    const passAt =
      Date.now() + jittered(state.failures === 0 ? options.driftMs : Math.min(retryMs, options.driftMs));
    state = { ...state, nextPassAt: new Date(passAt) };
    const before = asked;
    while (asked === before && !stopping.signal.aborted) {
      const left = passAt - Date.now();
      if (left <= 0) {
        trigger = state.failures === 0 ? 'drift check' : 'retry';
        return;
      }
      await sleep(Math.min(left, jittered(options.pollMs)));
      if (asked === before && passAt > Date.now()) await poll();
    }
  }

  async function poll(): Promise<void> {
    try {
      if ((await newestCommit(stopping.signal)) !== head) ask('poll');
    } catch (err) {
      // The next pass meets the same error, and reports it.
      log.debug({ err }, 'the poll failed');
      ask('poll');
    }
  }

  function jittered(ms: number): number {
    return ms * (1 + JITTER * (2 * options.random() - 1));
  }

  function sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** As `sleep`, and no ask cuts it short. */
  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  }

  async function loop(): Promise<void> {
    while (!stopping.signal.aborted) {
      const answered = asked;
      await onePass(trigger);
      if (asked === answered && !stopping.signal.aborted) await idle();
      else if (trigger === 'host event') await pause(EVENT_PAUSE_MS);
    }
  }

  return {
    ask,
    look: () => void poll(),
    start: () => {
      ended = loop();
    },
    stop: () => {
      stopping.abort(new Error('the operator is stopping'));
      wake();
      return ended;
    },
    state: () => state,
  };
}
