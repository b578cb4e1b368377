import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Report } from '../../src/core/report.ts';
import { type ControllerOptions, createController } from '../../src/reconcile/controller.ts';
import type { PassRequest } from '../../src/reconcile/reconcile.ts';
import { Superseded } from '../../src/reconcile/superseded.ts';
import { report, stepResult } from '../builders.ts';

const POLL = 60_000;
const DRIFT = 300_000;

/** A pass that the test ends. */
interface Pass {
  readonly request: PassRequest;
  end(result?: Report): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** A controller over passes that last until the test ends them, and a branch that the test moves. */
function lab(options: Partial<ControllerOptions> = {}) {
  const passes: Pass[] = [];
  const state = { head: 'c1', most: 0, running: 0, looks: 0, remoteError: undefined as Error | undefined };
  const errors: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => void errors.push(line) });
  const controller = createController({
    pass: (request) =>
      new Promise((resolve, reject) => {
        state.running++;
        state.most = Math.max(state.most, state.running);
        const settle = async (act: () => void) => {
          state.running--;
          act();
          await vi.advanceTimersByTimeAsync(0);
        };
        request.onHead?.(state.head);
        passes.push({
          request,
          end: (result = report()) => settle(() => resolve(result)),
          fail: (error) => settle(() => reject(error)),
        });
      }),
    newestCommit: async () => {
      state.looks++;
      if (state.remoteError !== undefined) throw state.remoteError;
      return state.head;
    },
    pollMs: POLL,
    driftMs: DRIFT,
    random: () => 0.5,
    log,
    ...options,
  });
  const last = (): Pass => {
    const pass = passes.at(-1);
    if (pass === undefined) throw new Error('no pass has begun');
    return pass;
  };
  const triggers = () => passes.map(({ request }) => request.trigger);
  return { controller, passes, state, errors, last, triggers };
}

const failed = report({ status: 'partial', steps: [stepResult({ outcome: 'failed' })] });
const settle = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('asks', () => {
  it('begins with a pass that nobody asked for', async () => {
    const { controller, triggers } = lab();
    controller.start();
    expect(triggers()).toEqual(['start']);
    expect(controller.state()).toMatchObject({ running: true, passes: 0 });
  });

  it('wakes the loop at once', async () => {
    const { controller, last, triggers } = lab();
    controller.start();
    await last().end();
    controller.ask('webhook');
    await settle();
    expect(triggers()).toEqual(['start', 'webhook']);
  });

  it('collapse into one more pass while one runs', async () => {
    const { controller, last, passes } = lab();
    controller.start();
    for (let i = 0; i < 10; i++) controller.ask('webhook');
    expect(passes).toHaveLength(1);
    await last().end();
    expect(passes).toHaveLength(2);
    await last().end();
    expect(passes).toHaveLength(2);
  });

  it('by host events leave 200 ms between two passes, so that a swarm of them is one', async () => {
    const { controller, last, passes } = lab();
    controller.start();
    controller.ask('host event');
    await last().end();
    await vi.advanceTimersByTimeAsync(199);
    controller.ask('host event');
    expect(passes).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(passes).toHaveLength(2);
    await last().end();
    await vi.advanceTimersByTimeAsync(1000);
    expect(passes).toHaveLength(2);
  });

  it('are answered when they come in the moment in which a pass ends', async () => {
    const { controller, last, passes } = lab();
    controller.start();
    const ending = last().end();
    controller.ask('webhook');
    await ending;
    expect(passes).toHaveLength(2);
  });

  it('are never lost, and passes never overlap, in a thousand random interleavings', async () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    for (let round = 0; round < 1000; round++) {
      const { controller, passes, state, last } = lab();
      controller.start();
      for (let move = 0; move < 6; move++) {
        const chance = random();
        if (chance < 0.4) {
          controller.ask('webhook');
          if (state.running === 0) await settle();
        } else if (chance < 0.6) await settle();
        else if (state.running > 0) void last().end();
      }
      const asked = passes.length;
      controller.ask('the last one');
      for (let i = 0; i < 5; i++) {
        if (state.running > 0) await last().end();
        await settle();
      }
      expect(passes.length).toBeGreaterThan(asked);
      expect(last().request.trigger).toBe('the last one');
      expect(state.most).toBe(1);
      await controller.stop();
    }
  });
});

describe('a newer commit', () => {
  it.each(['webhook', 'commit', 'SIGUSR1'])(
    'stops the pass that runs when a %s tells of it, and is next',
    async (trigger) => {
      const { controller, last, state, triggers } = lab();
      controller.start();
      const { signal } = last().request;
      state.head = 'c2';
      controller.ask(trigger);
      await settle();
      expect(signal.reason).toEqual(new Superseded('c2'));
      await last().end(report({ status: 'superseded' }));
      expect(triggers()).toEqual(['start', 'commit']);
      expect(last().request.signal.aborted).toBe(false);
    },
  );

  it('is noticed by the poll while a pass runs', async () => {
    const { controller, last, state } = lab();
    controller.start();
    await vi.advanceTimersByTimeAsync(POLL);
    expect(last().request.signal.aborted).toBe(false);
    state.head = 'c2';
    await vi.advanceTimersByTimeAsync(POLL);
    expect(last().request.signal.aborted).toBe(true);
  });

  it('is not looked for at a host event: what our own steps bring about would ask the remote each time', async () => {
    const { controller, state } = lab();
    controller.start();
    for (let i = 0; i < 5; i++) controller.ask('host event');
    await settle();
    expect(state.looks).toBe(0);
  });

  it('does not stop a pass of the same commit, nor one when the remote cannot be asked', async () => {
    const { controller, last, state } = lab();
    controller.start();
    controller.ask('webhook');
    await settle();
    state.head = 'c2';
    state.remoteError = new Error('remote down');
    controller.ask('webhook');
    await settle();
    expect(last().request.signal.aborted).toBe(false);
  });
});

describe('time', () => {
  it('polls, and has a pass only when the branch has moved', async () => {
    const { controller, last, passes, state, triggers } = lab();
    controller.start();
    await last().end();
    await vi.advanceTimersByTimeAsync(3 * POLL);
    expect([state.looks, passes.length]).toEqual([3, 1]);
    state.head = 'c2';
    await vi.advanceTimersByTimeAsync(POLL);
    expect(triggers()).toEqual(['start', 'poll']);
  });

  it('has a pass at the drift interval though nobody asked', async () => {
    const { controller, last, triggers } = lab();
    controller.start();
    await last().end();
    expect(controller.state().nextPassAt).toEqual(new Date(Date.now() + DRIFT));
    await vi.advanceTimersByTimeAsync(DRIFT);
    expect(triggers()).toEqual(['start', 'drift check']);
  });

  it.each([
    [0, 0.9],
    [0.999_999, 1.1],
  ])('spreads the drift interval by chance: %d makes it %d of itself', async (chance, share) => {
    const { controller, last, passes } = lab({ random: () => chance, pollMs: DRIFT * 10 });
    controller.start();
    await last().end();
    await vi.advanceTimersByTimeAsync(DRIFT * share - 10);
    expect(passes).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(passes).toHaveLength(2);
  });
});

describe('failures', () => {
  it.each([
    ['breaks', (pass: Pass) => pass.fail(new Error('boom'))],
    ['leaves a failed step', (pass: Pass) => pass.end(failed)],
  ])('a pass that %s is tried again after 5, 10, 20 s, up to the drift interval', async (_, end) => {
    const { controller, last, passes } = lab({ pollMs: DRIFT * 10 });
    controller.start();
    for (const seconds of [5, 10, 20, 40, 80, 160, 300, 300]) {
      await end(last());
      const before = passes.length;
      await vi.advanceTimersByTimeAsync(seconds * 1000 - 1);
      expect(passes).toHaveLength(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(passes).toHaveLength(before + 1);
      expect(last().request.trigger).toBe('retry');
    }
  });

  it('are forgotten after a pass that is well', async () => {
    const { controller, last } = lab();
    controller.start();
    await last().fail(new Error('boom'));
    expect(controller.state()).toMatchObject({ failures: 1, lastError: new Error('boom'), passes: 1 });
    await vi.advanceTimersByTimeAsync(5000);
    await last().end();
    expect(controller.state()).toMatchObject({ failures: 0, passes: 2 });
    expect(controller.state().lastError).toBeUndefined();
  });

  it('do not hold up a new ask', async () => {
    const { controller, last, triggers } = lab();
    controller.start();
    await last().fail(new Error('boom'));
    controller.ask('webhook');
    await settle();
    expect(triggers()).toEqual(['start', 'webhook']);
  });

  it('are logged with their stack', async () => {
    const { controller, last, errors } = lab();
    controller.start();
    await last().fail(new Error('boom'));
    expect(errors.join()).toMatch(/the pass failed/);
    expect(errors.join()).toContain('controller.test.ts');
  });
});

describe('stop', () => {
  it('tells the pass, and waits until it has ended', async () => {
    const { controller, last, passes } = lab();
    controller.start();
    let stopped = false;
    const stopping = controller.stop().finally(() => {
      stopped = true;
    });
    await vi.advanceTimersByTimeAsync(10 * DRIFT);
    expect(last().request.signal.aborted).toBe(true);
    // Whoever stops the operator bounds the wait: a step that is begun is finished, however long it takes.
    expect(stopped).toBe(false);
    await last().end();
    await stopping;
    expect(passes).toHaveLength(1);
  });

  it('ends an idle loop at once, for good, with no timer left', async () => {
    const { controller, last, passes } = lab();
    controller.start();
    await last().end();
    await controller.stop();
    controller.ask('webhook');
    await vi.advanceTimersByTimeAsync(10 * DRIFT);
    expect(passes).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not call what it stopped a failure', async () => {
    const { controller, last, errors } = lab();
    controller.start();
    const stopping = controller.stop();
    await last().fail(new Error('stopped'));
    await stopping;
    expect(errors).toEqual([]);
    expect(controller.state().failures).toBe(0);
  });
});
