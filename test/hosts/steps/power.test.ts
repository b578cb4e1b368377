import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WaitCutShort } from '../../../src/core/asked.ts';
import { MARK_NAMESPACE } from '../../../src/core/mark.ts';
import type { Step } from '../../../src/core/step.ts';
import { CLUSTER, desiredState, desiredVm, mark } from '../../builders.ts';
import { ours, useBench, volumesOf } from '../bench.ts';

const bench = useBench();
const web = desiredVm({ power: 'off', autostart: false });
const base = { host: 'a', vm: 'web', uuid: web.uuid, cluster: CLUSTER, reason: 'because' };
const start: Step = { ...base, kind: 'start' };
const stop: Step = { ...base, kind: 'stop' };
const removed = {
  at: '2026-02-20T12:00:00.000Z',
  purgeAfter: '2026-02-27T12:00:00.000Z',
  commit: 'dead',
  complete: true,
};
const remove: Step = { ...base, kind: 'remove', mark: mark({ state: 'tombstone', removed }) };
const restore: Step = { ...base, kind: 'restore', autostart: true, mark: mark() };

/** The names of the calls that changed something while the steps were applied. */
async function changesOf(...steps: readonly Step[]): Promise<string[]> {
  const calls: string[] = [];
  bench.host.intercept = (_host, name) => {
    if (/Create|Shutdown|Destroy|Undefine|Define|Delete|Set/.test(name)) calls.push(name);
    return 'pass';
  };
  await bench.apply(steps);
  bench.host.intercept = undefined;
  return calls;
}

beforeEach(async () => {
  await bench.converge(desiredState([web]));
});

describe('start and stop', () => {
  it('start starts the VM once', async () => {
    expect(await changesOf(start)).toEqual(['domainCreateWithFlags']);
    expect(bench.host.isRunning('web')).toBe(true);
    expect(await changesOf(start)).toEqual([]);
  });

  it('start says what libvirt says when the disk has gone', async () => {
    bench.host.storage.removeFile('/pool/web-vda.qcow2');
    await expect(bench.apply([start])).rejects.toMatchObject({
      code: 'E_LIBVIRT',
      message: expect.stringMatching(
        /^start of web on a: libvirt says: .*No such file.*domainCreateWithFlags/,
      ),
      context: { subject: 'web', host: 'a', step: 'start' },
    });
  });

  it('stop asks the guest once and waits until it is off', async () => {
    await bench.apply([start]);
    expect(await changesOf(stop)).toEqual(['domainShutdownFlags']);
    expect(bench.host.isRunning('web')).toBe(false);
    expect(await changesOf(stop)).toEqual([]);
  });

  it('stop leaves a guest running that does not listen, and says how long it waited and what to do', async () => {
    await bench.apply([start]);
    bench.host.ignoreShutdown('web');
    await expect(bench.apply([stop])).rejects.toMatchObject({
      code: 'E_TIMEOUT',
      message: expect.stringMatching(/web on a did not shut down within 0.3 s\. .*force: allowed/),
    });
    expect(bench.host.isRunning('web')).toBe(true);
  });

  it('stop puts up with a guest that went off by itself just before', async () => {
    await bench.apply([start]);
    bench.host.intercept = (_host, name) => {
      if (name === 'domainShutdownFlags') bench.host.powerOff('web');
      return 'pass';
    };
    await bench.apply([stop]);
    expect(bench.host.isRunning('web')).toBe(false);
  });
});

describe('shutting down', () => {
  /** How libvirt was asked: `agent`, `acpi`, or `destroy`. */
  function listenToCalls(): string[] {
    const calls: string[] = [];
    const { domains } = bench.host;
    const shutdown = domains.shutdown.bind(domains);
    vi.spyOn(domains, 'shutdown').mockImplementation((domain, flags) => {
      calls.push(flags === 2 ? 'agent' : 'acpi');
      shutdown(domain, flags);
    });
    return calls;
  }
  afterEach(() => void vi.restoreAllMocks());

  it('asks the agent where there is one', async () => {
    await bench.apply([start]);
    bench.host.runAgent('web');
    bench.host.ignoreShutdown('web');
    const calls = listenToCalls();
    await bench.apply([stop]);
    expect(calls).toEqual(['agent']);
    expect(bench.host.isRunning('web')).toBe(false);
  });

  it('presses the power button where the agent is there and fails', async () => {
    await bench.apply([start]);
    bench.host.runAgent('web');
    bench.host.intercept = (_host, name) => {
      // The agent hangs up between the look and the call.
      if (name === 'domainShutdownFlags') bench.host.runAgent('web', false);
      return 'pass';
    };
    const calls = listenToCalls();
    await bench.apply([stop]);
    expect(calls).toEqual(['agent', 'acpi']);
    expect(bench.host.isRunning('web')).toBe(false);
  });

  it('looks by itself, in the end, when the event of the end is lost', async () => {
    await bench.apply([start]);
    bench.host.events.isMute = true;
    try {
      await bench.apply([stop]);
    } finally {
      bench.host.events.isMute = false;
    }
    expect(bench.host.isRunning('web')).toBe(false);
  });

  it.each(['stop', 'remove'] as const)(
    '%s leaves a paused guest as it is, which cannot shut down, and says so',
    async (kind) => {
      const { domains } = await bench.libvirt();
      await domains.start(await domains.byName('web'), { paused: true });
      const step = kind === 'stop' ? stop : remove;
      await expect(bench.apply([step])).rejects.toMatchObject({
        code: 'E_GUEST_DEAF',
        message: expect.stringMatching(/^web on a is paused, .*virsh resume.*force: allowed/),
      });
      expect(ours(await bench.observe())).toMatchObject({ power: 'paused', mark: { state: 'ready' } });
    },
  );

  it('does by the force of the VM, whatever the config says', async () => {
    await bench.apply([start]);
    bench.host.ignoreShutdown('web');
    await bench.apply([{ ...stop, force: 'allowed' }]);
    expect(bench.host.isRunning('web')).toBe(false);
  });
});

describe('a guest that does not stop, when a newer commit comes', () => {
  const waiting = useBench({ settings: { shutdownTimeoutMs: 2000, force: 'allowed' } });
  const superseded = AbortSignal.abort(new Error('a newer commit'));

  /** What is thrown by a step that is cut short as soon as it waits. */
  async function cutShort(step: Step): Promise<WaitCutShort> {
    const error: unknown = await waiting.apply([step], superseded).catch((thrown: unknown) => thrown);
    if (error instanceof WaitCutShort) return error;
    throw new Error(`not cut short: ${String(error)}`);
  }

  beforeEach(async () => {
    await waiting.converge(desiredState([desiredVm()]));
    waiting.host.ignoreShutdown('web');
  });

  it.each(['stop', 'remove', 'restart'] as const)('%s asks it, and leaves it at that', async (kind) => {
    const { run = 0 } = ours(await waiting.observe());
    const step = { stop, remove, restart: { ...base, kind: 'restart', run } as const }[kind];
    expect((await cutShort(step)).asked).toMatchObject({ run, times: 1 });
    expect(ours(await waiting.observe())).toMatchObject({ run, power: 'running', mark: { state: 'ready' } });
  });

  it('is not asked again at once, and has its plug pulled when that was due', async () => {
    const asks = vi.spyOn(waiting.host.domains, 'shutdown');
    try {
      const { asked } = await cutShort(stop);
      if (asked === undefined) throw new Error('nothing was remembered');
      const again = await cutShort({ ...stop, asked });
      expect(again.asked).toEqual(asked);
      expect(waiting.host.isRunning('web')).toBe(true);
      // As if the two seconds were over, but for an instant.
      const old = performance.now() - 1900;
      const began = performance.now();
      await waiting.apply([{ ...stop, asked: { ...asked, firstMs: old } }]);
      expect(performance.now() - began).toBeLessThan(1000);
      expect(waiting.host.isRunning('web')).toBe(false);
      expect(asks).toHaveBeenCalledTimes(1);
    } finally {
      asks.mockRestore();
    }
  });

  it('is given its whole time where it was started anew since it was asked', async () => {
    const { asked } = await cutShort(stop);
    if (asked === undefined) throw new Error('nothing was remembered');
    const { domains } = await waiting.libvirt();
    await domains.destroy(await domains.byName('web'));
    await domains.start(await domains.byName('web'));
    waiting.host.ignoreShutdown('web');
    const late = { ...asked, firstMs: performance.now() - 60_000 };
    expect((await cutShort({ ...stop, asked: late })).asked).toMatchObject({ times: 1 });
    expect(waiting.host.isRunning('web')).toBe(true);
  });

  it('is no longer waited for the moment that the commit comes', async () => {
    const newer = new AbortController();
    const ended = waiting.apply([stop], newer.signal).catch((error: unknown) => error);
    await vi.waitFor(() => expect(waiting.host.isRunning('web')).toBe(true));
    const began = performance.now();
    newer.abort();
    expect(await ended).toBeInstanceOf(WaitCutShort);
    expect(performance.now() - began).toBeLessThan(500);
  });
});

describe('restart', () => {
  const runOf = async () => ours(await bench.observe()).run ?? 0;

  it('shuts the VM down and starts it; a second time it is left alone', async () => {
    await bench.apply([start]);
    const restart: Step = { ...base, kind: 'restart', run: await runOf() };
    expect(await changesOf(restart)).toEqual(['domainShutdownFlags', 'domainCreateWithFlags']);
    const run = await runOf();
    expect(run).not.toBe(restart.run);
    expect(await changesOf(restart)).toEqual([]);
    expect(await runOf()).toBe(run);
  });

  it('starts a VM that is off: an earlier try was cut short', async () => {
    expect(await changesOf({ ...base, kind: 'restart', run: 7 })).toEqual(['domainCreateWithFlags']);
  });

  it('cut short while the VM is off, leaves it to the next pass, which starts it', async () => {
    const git = desiredState([desiredVm({ restart: 'allowed', vcpus: 4 })]);
    await bench.converge(desiredState([desiredVm()]));
    const { steps } = await bench.plan(git);
    bench.host.intercept = (_host, name) => (name === 'domainCreateWithFlags' ? 'drop-connection' : 'pass');
    await expect(bench.apply(steps)).rejects.toMatchObject({ code: 'E_OUTCOME_UNKNOWN' });
    bench.host.intercept = undefined;
    expect(bench.host.isRunning('web')).toBe(false);
    expect(await bench.converge(git)).toEqual(['start web']);
    expect(ours(await bench.observe()).live).toMatchObject({ vcpus: 4 });
  });

  it('keeps a guest running that does not listen, and says so', async () => {
    await bench.apply([start]);
    bench.host.ignoreShutdown('web');
    const run = await runOf();
    await expect(bench.apply([{ ...base, kind: 'restart', run }])).rejects.toMatchObject({
      code: 'E_TIMEOUT',
      message: expect.stringContaining('It runs on, as force is never'),
    });
    expect(await runOf()).toBe(run);
  });
});

describe('autostart', () => {
  it('is switched on and off', async () => {
    await bench.apply([{ ...base, kind: 'autostart', enabled: true }]);
    expect(ours(await bench.observe()).autostart).toBe(true);
    await bench.apply([{ ...base, kind: 'autostart', enabled: false }]);
    expect(ours(await bench.observe()).autostart).toBe(false);
  });
});

describe('mark', () => {
  it('rewrites the mark of a running VM in its definition and in what runs, and keeps the volumes', async () => {
    await bench.apply([
      start,
      { ...base, kind: 'mark', mark: mark({ protect: true, file: 'manifests/new.yaml', volumes: [] }) },
    ]);
    const { mark: written } = ours(await bench.observe());
    expect(written).toMatchObject({
      protect: true,
      file: 'manifests/new.yaml',
      volumes: [{ name: 'web-vda.qcow2' }],
    });
    const { domains } = await bench.libvirt();
    const live = await domains.metadata(await domains.byName('web'), MARK_NAMESPACE, { live: true });
    expect(live).toContain('manifests/new.yaml');
  });
});

describe('remove and restore', () => {
  it('remove shuts the VM down, switches autostart off, and keeps definition and disks under a tombstone', async () => {
    await bench.apply([start, { ...base, kind: 'autostart', enabled: true }, remove]);
    expect(ours(await bench.observe())).toMatchObject({
      power: 'shutoff',
      autostart: false,
      mark: { state: 'tombstone', removed },
    });
    expect(volumesOf(bench.host)).toEqual(['default/web-vda.qcow2']);
  });

  it('remove does not mark a VM as removed that did not shut down', async () => {
    await bench.apply([start]);
    bench.host.ignoreShutdown('web');
    await expect(bench.apply([remove])).rejects.toMatchObject({ code: 'E_TIMEOUT' });
    expect(ours(await bench.observe())).toMatchObject({ power: 'running', mark: { state: 'ready' } });
  });

  it('a second remove refuses, and moves no purge date', async () => {
    await bench.apply([remove]);
    const later = mark({
      state: 'tombstone',
      removed: { ...removed, purgeAfter: '2030-01-01T00:00:00.000Z' },
    });
    await expect(bench.apply([{ ...remove, mark: later }])).rejects.toMatchObject({ code: 'E_NOT_OURS' });
    expect(ours(await bench.observe()).mark.removed).toEqual(removed);
  });

  it('restore takes the tombstone off and brings autostart back; a second one refuses', async () => {
    await bench.apply([remove, restore]);
    expect(ours(await bench.observe())).toMatchObject({
      power: 'shutoff',
      autostart: true,
      mark: { state: 'ready' },
    });
    await expect(bench.apply([restore])).rejects.toMatchObject({
      code: 'E_NOT_OURS',
      message: expect.stringContaining('ready by now'),
    });
  });
});

describe('force: allowed', () => {
  const forced = useBench({ settings: { force: 'allowed' } });

  it('leaves a guest running whose VM says never', async () => {
    await forced.converge(desiredState([desiredVm()]));
    forced.host.ignoreShutdown('web');
    await expect(forced.apply([{ ...stop, force: 'never' }])).rejects.toMatchObject({ code: 'E_TIMEOUT' });
    expect(forced.host.isRunning('web')).toBe(true);
  });

  it('pulls the plug of a guest that does not listen', async () => {
    await forced.converge(desiredState([desiredVm()]));
    forced.host.ignoreShutdown('web');
    await forced.apply([stop]);
    expect(forced.host.isRunning('web')).toBe(false);
  });
});
