import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Controller, createController } from '../../src/reconcile/controller.ts';
import type { PassRequest } from '../../src/reconcile/reconcile.ts';
import { report, revision } from '../builders.ts';

const POLL_MS = 1000;
const ROUNDS = 1000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The same numbers in every run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

/** A remote that people push to, whose answers take their time and sometimes fail, and an operator that applies what is there. */
class World {
  head = 0;
  applied = -1;
  running = 0;
  most = 0;
  readonly #random: () => number;
  readonly #failures: number;
  readonly controller: Controller;

  /** `failures`: how many of the remote's answers are none, from 0 to 1. */
  constructor(random: () => number, failures: number) {
    this.#random = random;
    this.#failures = failures;
    this.controller = createController({
      pass: (request) => this.#pass(request),
      newestCommit: () => this.#newest(),
      pollMs: POLL_MS,
      // Nothing but asks and polls finds a push in the time of these tests.
      driftMs: 24 * 3_600_000,
      log: pino({ level: 'silent' }),
      random,
    });
  }

  /** The forge says so twice, once, late or never. */
  push(): void {
    this.head += 1;
    for (let i = 0; i < Math.floor(this.#random() * 3); i++)
      setTimeout(() => this.controller.ask('webhook'), this.#random() * 300);
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, this.#random() * ms);
    });
  }

  /** What is answered was true at some time between question and answer. */
  async #newest(): Promise<string> {
    await this.#wait(200);
    const newest = String(this.head);
    await this.#wait(200);
    if (this.#random() < this.#failures) throw new Error('the remote is away');
    return newest;
  }

  async #pass({ signal, onHead }: PassRequest) {
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    try {
      const sha = await this.#newest();
      onHead?.(sha);
      for (let step = 0; step < 4; step++) {
        await this.#wait(800);
        if (signal.aborted) return report({ revision: revision(sha), status: 'superseded' });
      }
      this.applied = Number(sha);
      return report({ revision: revision(sha) });
    } finally {
      this.running -= 1;
    }
  }
}

it(`misses no push that lands in a pass, at its end or between two, in ${ROUNDS} random interleavings`, async () => {
  for (let round = 1; round <= ROUNDS; round++) {
    const random = numbers(round);
    // A question that fails asks for a pass by itself, so every other remote answers always.
    const world = new World(random, round % 2 === 0 ? 0.2 : 0);
    world.controller.start();
    for (let move = 0; move < 4; move++) {
      await vi.advanceTimersByTimeAsync(random() * 2500);
      world.push();
    }
    // Time for the pass that runs, some failed questions with their pauses, and the pass that applies it.
    for (let second = 0; second < 90 && world.applied !== world.head; second++)
      await vi.advanceTimersByTimeAsync(1000);
    expect({ round, applied: world.applied, most: world.most }).toEqual({
      round,
      applied: world.head,
      most: 1,
    });
    const stopped = world.controller.stop();
    await vi.advanceTimersByTimeAsync(10_000);
    await stopped;
  }
});
