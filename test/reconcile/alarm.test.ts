import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createAlarm } from '../../src/reconcile/alarm.ts';

const NOW = new Date('2026-01-01T00:00:00Z');
const inMs = (ms: number) => new Date(NOW.getTime() + ms);

beforeEach(() => void vi.useFakeTimers({ now: NOW }));
afterEach(() => void vi.useRealTimers());

function open() {
  const rings: number[] = [];
  const alarm = createAlarm(() => rings.push(Date.now() - NOW.getTime()));
  return { alarm, rings };
}

describe('an alarm', () => {
  it('rings once, when the instant has passed and never before', () => {
    const { alarm, rings } = open();
    alarm.set(inMs(60_000));
    vi.advanceTimersByTime(59_999);
    expect(rings).toEqual([]);
    vi.advanceTimersByTime(600_000);
    expect(rings).toHaveLength(1);
    expect(rings[0]).toBeGreaterThan(60_000);
    expect(rings[0]).toBeLessThan(61_000);
  });

  it.each<[string, Date | undefined, number]>([
    ['at the newest instant alone', inMs(10_000), 1],
    ['not at all where there is none any more', undefined, 0],
  ])('rings %s', (_, second, times) => {
    const { alarm, rings } = open();
    alarm.set(inMs(5_000));
    alarm.set(second);
    vi.advanceTimersByTime(7_000);
    expect(rings).toEqual([]);
    vi.advanceTimersByTime(7_000);
    expect(rings).toHaveLength(times);
  });

  it('rings soon for what is over already', () => {
    const { alarm, rings } = open();
    alarm.set(inMs(-5_000));
    vi.advanceTimersByTime(1_000);
    expect(rings).toHaveLength(1);
  });

  it('does not ring at once for an instant that is further off than a timer can be', () => {
    const { alarm, rings } = open();
    alarm.set(inMs(300 * 86_400_000));
    vi.advanceTimersByTime(86_400_000);
    expect(rings).toEqual([]);
  });

  it('is silent once it is stopped', () => {
    const { alarm, rings } = open();
    alarm.set(inMs(5_000));
    alarm.stop();
    vi.advanceTimersByTime(10_000);
    expect(rings).toEqual([]);
  });
});
