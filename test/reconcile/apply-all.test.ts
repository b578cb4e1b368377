import { describe, expect, it } from 'vitest';
import { WaitCutShort } from '../../src/core/asked.ts';
import { type Step, subjectOf, type VmStep } from '../../src/core/step.ts';
import { OperatorError } from '../../src/errors.ts';
import type { Hosts } from '../../src/ports.ts';
import { applyAll } from '../../src/reconcile/apply-all.ts';
import { createAskedGuests } from '../../src/reconcile/asked-guests.ts';
import type { ProgressEvent } from '../../src/reconcile/progress.ts';
import { Superseded } from '../../src/reconcile/superseded.ts';

function step(kind: 'start' | 'stop', vm: string, host = 'a', after?: readonly string[]): VmStep {
  const order = after === undefined ? {} : { after };
  return { kind, vm, host, uuid: `uuid-${vm}`, cluster: 'lab', reason: 'test', ...order };
}

interface Run {
  readonly apply?: (step: Step, superseded: AbortSignal | undefined) => void | Promise<void>;
  readonly vmsPerHost?: number;
  readonly hosts?: number;
  readonly signal?: AbortSignal;
  readonly isPaused?: (step: Step) => boolean;
}

async function run(
  steps: readonly Step[],
  { apply = () => {}, vmsPerHost = 2, hosts = 2, signal, isPaused = () => false }: Run = {},
) {
  const events: ProgressEvent[] = [];
  const asked = createAskedGuests();
  const world: Hosts = {
    observe: async () => ({ hosts: new Map() }),
    apply: async (one, onProgress, superseded) => {
      onProgress('working');
      await apply(one, superseded);
    },
  };
  const results = await applyAll(world, steps, {
    concurrency: { hosts, vmsPerHost },
    asked,
    isPaused: async (one) => isPaused(one),
    signal: signal ?? new AbortController().signal,
    onProgress: (event) => events.push(event),
  });
  return {
    results,
    events,
    resume: (more: readonly Step[]) => asked.resume({ steps: more, held: [] }).steps,
    words: results.map(({ kind, subject, outcome }) => `${kind} ${subject} ${outcome}`),
  };
}

/** Counts how much is under way at once, by host. */
function counting() {
  const now = new Map<string, number>();
  const most = new Map<string, number>();
  let mostHosts = 0;
  const apply = async ({ host }: Step) => {
    now.set(host, (now.get(host) ?? 0) + 1);
    most.set(host, Math.max(most.get(host) ?? 0, now.get(host) ?? 0));
    mostHosts = Math.max(mostHosts, [...now.values()].filter((count) => count > 0).length);
    await new Promise((resolve) => setImmediate(resolve));
    now.set(host, (now.get(host) ?? 0) - 1);
  };
  return { apply, most, hosts: () => mostHosts };
}

describe('applyAll', () => {
  it('gives a result for each step, in the order of the plan', async () => {
    const { words } = await run([step('stop', 'b'), step('stop', 'a', 'z'), step('start', 'b')]);
    expect(words).toEqual(['stop b done', 'stop a done', 'start b done']);
  });

  it('does the steps of one VM one after the other, in order', async () => {
    const seen: string[] = [];
    await run([step('stop', 'a'), step('start', 'a')], {
      apply: async ({ kind }) => {
        seen.push(`${kind} begins`);
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(`${kind} ends`);
      },
    });
    expect(seen).toEqual(['stop begins', 'stop ends', 'start begins', 'start ends']);
  });

  it('works on as many VMs of a host and as many hosts at once as it may, and no more', async () => {
    const { apply, most, hosts } = counting();
    const all = ['a', 'b', 'c'].flatMap((host) =>
      [1, 2, 3, 4].map((n) => step('start', `${host}${n}`, host)),
    );
    await run(all, { apply, vmsPerHost: 3, hosts: 2 });
    expect([...most.values()]).toEqual([3, 3, 3]);
    expect(hosts()).toBe(2);
  });

  it('lets a failed step end the steps of its VM and nothing else', async () => {
    const { words, results } = await run([step('stop', 'a'), step('start', 'a'), step('start', 'b')], {
      apply: (failing) => {
        if (subjectOf(failing) === 'a') throw new OperatorError('E_TIMEOUT', 'too slow');
      },
    });
    expect(words).toEqual(['stop a failed', 'start a skipped', 'start b done']);
    expect(results[0]?.error).toEqual({ code: 'E_TIMEOUT', message: 'too slow' });
  });

  it('names a failure that nobody expected', async () => {
    const { results } = await run([step('stop', 'a')], {
      apply: () => {
        throw new TypeError('a bug');
      },
    });
    expect(results[0]).toMatchObject({
      outcome: 'failed',
      error: { code: 'E_UNEXPECTED', message: 'a bug' },
    });
  });

  it('finishes what is begun and skips the rest once it is stopped', async () => {
    const stop = new AbortController();
    const { words } = await run([step('stop', 'a'), step('start', 'a'), step('start', 'b')], {
      apply: () => stop.abort(),
      signal: stop.signal,
      vmsPerHost: 1,
    });
    expect(words).toEqual(['stop a done', 'start a skipped', 'start b skipped']);
  });

  const ASKED = { run: 7, firstMs: 1, lastMs: 2, times: 1 };
  const untilSuperseded = (signal: AbortSignal | undefined) =>
    new Promise<void>((_, reject) => {
      signal?.addEventListener('abort', () => reject(new WaitCutShort(ASKED)));
    });

  it('lets a step go that waits for a guest when a newer commit comes, and remembers what was asked', async () => {
    const stop = new AbortController();
    const { words, resume, events } = await run(
      [step('stop', 'a'), step('start', 'a'), step('stop', 'b'), step('start', 'c')],
      {
        apply: async (one, superseded) => {
          if (subjectOf(one) !== 'a') return stop.abort(new Superseded('next'));
          await untilSuperseded(superseded);
        },
        signal: stop.signal,
      },
    );
    expect(words).toEqual(['stop a skipped', 'start a skipped', 'stop b done', 'start c skipped']);
    expect(events.filter(({ kind }) => kind === 'step-ended')).toHaveLength(2);
    expect(resume([step('stop', 'a'), step('stop', 'b')])).toEqual([
      { ...step('stop', 'a'), asked: ASKED },
      step('stop', 'b'),
    ]);
  });

  it('finishes a step that waits for a guest when the operator stops: nobody would go on with it', async () => {
    const stop = new AbortController();
    const { words } = await run([step('stop', 'a')], {
      apply: async (_, superseded) => {
        stop.abort(new Error('the operator is stopping'));
        if (superseded?.aborted) throw new WaitCutShort(ASKED);
      },
      signal: stop.signal,
    });
    expect(words).toEqual(['stop a done']);
  });

  it('gives a step no place that only goes on waiting: it holds up nobody', async () => {
    const seen: string[] = [];
    let end = () => {};
    const gone = new Promise<void>((resolve) => (end = resolve));
    const base = { host: 'a', cluster: 'lab', reason: 'test' };
    const stop: Step = { ...base, vm: 'deaf', uuid: 'uuid-deaf', kind: 'stop', asked: ASKED };
    await run([stop, step('start', 'web')], {
      apply: async (one) => {
        if (one.kind === 'stop') await gone;
        seen.push(`${one.kind} ${subjectOf(one)}`);
        end();
      },
      vmsPerHost: 1,
      hosts: 1,
    });
    expect(seen).toEqual(['start web', 'stop deaf']);
  });

  it('begins nothing that is left alone by the time its turn comes, nor what comes after it; the rest goes on', async () => {
    let isSuspended = false;
    const { words } = await run([step('stop', 'web'), step('start', 'web'), step('start', 'db', 'b')], {
      apply: () => {
        isSuspended = true;
      },
      isPaused: ({ host }) => isSuspended && host === 'a',
    });
    expect(words).toEqual(['stop web done', 'start web skipped', 'start db done']);
  });

  it('keeps what a person should know of a step that was done', async () => {
    const world: Hosts = {
      observe: async () => ({ hosts: new Map() }),
      apply: async (_, tell) => tell('as after a power cut', 'remark'),
    };
    const [result] = await applyAll(world, [step('start', 'web')], {
      concurrency: { hosts: 1, vmsPerHost: 1 },
      asked: createAskedGuests(),
      isPaused: async () => false,
      signal: new AbortController().signal,
      onProgress: () => {},
    });
    expect(result).toMatchObject({ outcome: 'done', remark: 'as after a power cut' });
  });

  it('tells of each step that it begins, how it goes on, and how it ends', async () => {
    const { events } = await run([step('stop', 'a')]);
    expect(events.map(({ kind }) => kind)).toEqual(['step-begun', 'step-progress', 'step-ended']);
  });

  it('begins a step when those that it names are done, also on other hosts', async () => {
    const seen: string[] = [];
    const { words } = await run(
      [
        step('start', 'web', 'a', ['start b/db', 'start c/cache', 'start a/not-in-the-plan']),
        step('start', 'db', 'b', ['start c/cache']),
        step('start', 'cache', 'c'),
      ],
      { apply: (one) => void seen.push(subjectOf(one)), hosts: 1, vmsPerHost: 1 },
    );
    expect(seen).toEqual(['cache', 'db', 'web']);
    expect(words).toEqual(['start web done', 'start db done', 'start cache done']);
  });

  it('skips what comes after a failed step, on whatever host, and says for which one it waits', async () => {
    const { results } = await run(
      [
        step('start', 'db', 'b'),
        step('start', 'web', 'a', ['start b/db']),
        step('start', 'proxy', 'a', ['start a/web']),
        step('start', 'other', 'a'),
      ],
      {
        apply: (one) => {
          if (subjectOf(one) === 'db') throw new OperatorError('E_TIMEOUT', 'too slow');
        },
      },
    );
    expect(results.map(({ subject, outcome, waitsFor }) => [subject, outcome, waitsFor])).toEqual([
      ['db', 'failed', undefined],
      ['web', 'skipped', 'start b/db'],
      ['proxy', 'skipped', 'start b/db'],
      ['other', 'done', undefined],
    ]);
  });

  it('goes on with a VM that it has begun before it begins another one', async () => {
    const seen: string[] = [];
    await run(
      ['a', 'b', 'c'].flatMap((vm) => [step('stop', vm), step('start', vm)]),
      {
        apply: (one) => void seen.push(`${one.kind} ${subjectOf(one)}`),
        vmsPerHost: 1,
      },
    );
    expect(seen.indexOf('start a')).toBeLessThan(seen.indexOf('stop c'));
  });

  it('ends with an error, and does nothing, where steps wait for each other', async () => {
    let count = 0;
    const circle = [step('start', 'a', 'h', ['start h/b']), step('start', 'b', 'h', ['start h/a'])];
    await expect(run(circle, { apply: () => void count++ })).rejects.toThrow(
      'steps of a plan wait for each other: start h/a, start h/b',
    );
    expect(count).toBe(0);
  });
});
