import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDomainEvents } from '../../src/hosts/domain-events.ts';

const domain = (uuid: string) => ({ domain: { name: 'web', uuid, id: 1 } });

describe('watching a domain', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** Whether a wait of one minute is over by now. */
  async function isOver(wait: Promise<void>): Promise<boolean> {
    let over = false;
    void wait.then(() => (over = true));
    await vi.advanceTimersByTimeAsync(0);
    return over;
  }

  it('waits for an event of that domain, not of another', async () => {
    const events = createDomainEvents();
    const wait = events.watch('one').changed(60_000);
    events.publish(domain('two'));
    expect(await isOver(wait)).toBe(false);
    events.publish(domain('one'));
    expect(await isOver(wait)).toBe(true);
  });

  it('waits no longer than it is told: an event can be lost', async () => {
    const wait = createDomainEvents().watch('one').changed(60_000);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(await isOver(wait)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await isOver(wait)).toBe(true);
  });

  it('misses nothing that happens between two waits, and tells it once', async () => {
    const events = createDomainEvents();
    const watch = events.watch('one');
    events.publish(domain('one'));
    events.publish(domain('one'));
    expect(await isOver(watch.changed(60_000))).toBe(true);
    expect(await isOver(watch.changed(60_000))).toBe(false);
  });

  it('tells every watch of the domain that is not closed', async () => {
    const events = createDomainEvents();
    const [one, other] = [events.watch('one'), events.watch('one')];
    one.close();
    const waits = [one.changed(60_000), other.changed(60_000)];
    events.publish(domain('one'));
    expect(await Promise.all(waits.map(isOver))).toEqual([false, true]);
  });
});
