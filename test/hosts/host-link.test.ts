import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OperatorError } from '../../src/errors.ts';
import {
  connectHost,
  HostLink,
  type LinkState,
  pauseAfter,
  type Session,
} from '../../src/hosts/host-link.ts';
import { hasSshd, startSshd } from './sshd.ts';

/** A host whose connects are counted and answered by the test. */
function lab() {
  const states: LinkState[] = [];
  const dials: { succeed(client: string): () => void; fail(error: Error): void; signal: AbortSignal }[] = [];
  const closed: string[] = [];
  const link = new HostLink<string>({
    name: 't01',
    random: () => 1,
    onState: (state) => states.push(state),
    connect: (signal) =>
      new Promise<Session<string>>((resolve, reject) => {
        const fail = (error: Error) => reject(error);
        signal.addEventListener('abort', () => fail(signal.reason));
        const succeed = (client: string) => {
          const { session, end } = fakeSession(client, () => closed.push(client));
          resolve(session);
          return end;
        };
        dials.push({ succeed, fail, signal });
      }),
  });
  return { link, states, dials, closed, kinds: () => states.map(({ kind }) => kind) };
}
const refused = () => new OperatorError('E_SSH_AUTH', "host 't01': refused", { context: { user: 'kvm' } });

describe('pauseAfter', () => {
  it.each([
    [0, 0, 2000],
    [0, 1, 1000],
    [1, 1, 2000],
    [4, 0.5, 24_000],
    [5, 0, 60_000],
    [1000, 1, 30_000],
  ])('after %d failures, with chance %d, is %d ms', (failures, chance, ms) => {
    expect(pauseAfter(failures, () => chance)).toBe(ms);
  });
});

describe('HostLink', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('connects on the first get, once for all who ask', async () => {
    const { link, dials, kinds } = lab();
    expect(dials).toHaveLength(0);
    const both = Promise.all([link.get(), link.get()]);
    dials[0]?.succeed('one');
    expect(await both).toEqual(['one', 'one']);
    expect(await link.get()).toBe('one');
    expect(dials).toHaveLength(1);
    expect(kinds()).toEqual(['connecting', 'up']);
    expect(link.state).toEqual({ kind: 'up', way: 'streamlocal', detail: 'streamlocal /sock' });
  });

  it('fails at once during a pause, with the last error and when it will try again', async () => {
    const { link, dials } = lab();
    const first = link.get();
    dials[0]?.fail(refused());
    await expect(first).rejects.toThrow("host 't01': refused");
    await expect(link.get()).rejects.toMatchObject({
      code: 'E_SSH_AUTH',
      message: "host 't01': refused (tried again in 1 s)",
      context: { host: 't01', user: 'kvm' },
    });
    expect(dials).toHaveLength(1);
  });

  it('tries again by itself, with growing pauses, until it is up', async () => {
    const { link, dials, kinds } = lab();
    link.get().catch(() => undefined);
    for (const pauseMs of [1000, 2000, 4000]) {
      dials.at(-1)?.fail(refused());
      const before = dials.length;
      await vi.advanceTimersByTimeAsync(pauseMs - 1);
      expect(dials).toHaveLength(before);
      await vi.advanceTimersByTimeAsync(1);
      expect(dials).toHaveLength(before + 1);
    }
    const waiting = link.get();
    dials.at(-1)?.succeed('four');
    expect(await waiting).toBe('four');
    expect(kinds().slice(-2)).toEqual(['connecting', 'up']);
  });

  it('reports the loss of a link, closes its SSH and connects again', async () => {
    const { link, dials, closed, kinds } = lab();
    const first = link.get();
    const cut = dials[0]?.succeed('one');
    await first;
    cut?.();
    await vi.advanceTimersByTimeAsync(0);
    expect(closed).toEqual(['one']);
    expect(kinds()).toEqual(['connecting', 'up', 'down']);
    await vi.advanceTimersByTimeAsync(1000);
    dials[1]?.succeed('two');
    await vi.advanceTimersByTimeAsync(0);
    expect(await link.get()).toBe('two');
  });

  it('counts a link that is lost soon as one more failure, and starts over after a stable one', async () => {
    const { link, dials } = lab();
    const loseAfter = async (ms: number) => {
      const cut = dials.at(-1)?.succeed('link');
      await vi.advanceTimersByTimeAsync(ms);
      cut?.();
      await vi.advanceTimersByTimeAsync(0);
    };
    const pause = () => (link.state.kind === 'down' ? link.state.retryAt.getTime() - Date.now() : undefined);
    link.get().catch(() => undefined);
    const pauses: unknown[] = [];
    for (const ms of [10, 10, 60_000, 10]) {
      await loseAfter(ms);
      pauses.push(pause());
      await vi.advanceTimersByTimeAsync(60_000);
    }
    expect(pauses).toEqual([1000, 2000, 1000, 2000]);
  });

  it('lets one caller give up without disturbing the others', async () => {
    const { link, dials } = lab();
    const controller = new AbortController();
    const impatient = link.get(controller.signal);
    const patient = link.get();
    controller.abort(new Error('enough'));
    await expect(impatient).rejects.toThrow('enough');
    dials[0]?.succeed('one');
    expect(await patient).toBe('one');
    expect(dials[0]?.signal.aborted).toBe(false);
  });

  it('ends for good when closed: what is open, what is being opened, and every retry', async () => {
    const up = lab();
    const client = up.link.get();
    up.dials[0]?.succeed('one');
    await client;
    up.link.close();
    up.link.close();
    expect(up.closed).toEqual(['one']);
    await expect(up.link.get()).rejects.toThrow("the link to host 't01' was closed");

    const opening = lab();
    const waiting = opening.link.get();
    opening.link.close();
    await expect(waiting).rejects.toThrow('was closed');
    expect(opening.kinds()).toEqual(['connecting', 'closed']);

    const down = lab();
    const failed = down.link.get();
    down.dials[0]?.fail(refused());
    await expect(failed).rejects.toThrow('refused');
    down.link.close();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(down.dials).toHaveLength(1);
  });
});

describe.skipIf(!hasSshd)('HostLink over a real sshd', () => {
  it('comes up, sees the daemon go away, and comes up again', async () => {
    const sshd = await startSshd();
    const socket = join(sshd.dir, 'sock');
    const peers: { destroy(): void }[] = [];
    const daemon = createServer((peer) => {
      peers.push(peer.on('error', () => undefined));
      peer.write('hello');
    }).listen(socket);
    await once(daemon, 'listening');
    const seen = new Map<LinkState['kind'], () => void>();
    const reaches = (kind: LinkState['kind']) => new Promise<void>((resolve) => void seen.set(kind, resolve));
    const host = { target: sshd.target, libvirt: { uri: 'qemu:///system', socket, sudo: false } };
    const link = new HostLink({
      name: 't01',
      random: () => 1,
      onState: (state) => seen.get(state.kind)?.(),
      connect: (signal) => connectHost(host, async (stream) => once(stream, 'data'), signal),
    });
    try {
      const first = await link.get();
      const down = reaches('down');
      for (const peer of peers) peer.destroy();
      await down;
      await expect(link.get()).rejects.toMatchObject({
        code: 'E_LIBVIRT_UNREACHABLE',
        message: expect.stringContaining("host 't01': libvirt closed the connection"),
      });
      await reaches('up');
      expect(await link.get()).not.toBe(first);
    } finally {
      link.close();
      daemon.close();
      for (const peer of peers) peer.destroy();
      await sshd.stop();
    }
  });
});

function fakeSession(client: string, onClose: () => void): { session: Session<string>; end: () => void } {
  const cut = new EventEmitter();
  const ended = once(cut, 'cut').then(() => new Error('cut'));
  return {
    end: () => void cut.emit('cut'),
    session: { client, way: 'streamlocal', detail: 'streamlocal /sock', ended, close: onClose },
  };
}
