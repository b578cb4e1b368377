import { describe, expect, it } from 'vitest';
import { rateOf, type Sample, secondsLeft, withSample } from '../../../src/hosts/copy/progress.ts';

const MB = 1_000_000;

describe('the rate of a copy', () => {
  it.each<[string, readonly (readonly [second: number, megabytes: number])[], number]>([
    ['nothing at first', [[0, 0]], 0],
    [
      'what has come in the time',
      [
        [0, 0],
        [2, 20],
      ],
      10 * MB,
    ],
    [
      'that of the last seconds',
      [
        [0, 0],
        [10, 1000],
        [15, 1050],
        [20, 1100],
      ],
      10 * MB,
    ],
    [
      'nothing while it stands',
      [
        [0, 100],
        [10, 100],
        [20, 100],
      ],
      0,
    ],
    [
      'measured over a pause',
      [
        [0, 0],
        [100, 100],
      ],
      MB,
    ],
  ])('is %s', (_, points, rate) => {
    let samples: readonly Sample[] = [];
    for (const [second, megabytes] of points)
      samples = withSample(samples, { atMs: second * 1000, doneBytes: megabytes * MB });
    expect(rateOf(samples)).toBe(rate);
  });

  it('keeps a few samples, however long it goes on', () => {
    let samples: readonly Sample[] = [];
    for (let second = 0; second < 1000; second++)
      samples = withSample(samples, { atMs: second * 1000, doneBytes: second });
    expect(samples.length).toBeLessThan(10);
  });
});

describe('the time that is left', () => {
  it.each<[string, readonly [number, number], number | undefined]>([
    ['goes with the rate', [400, 10], 60],
    ['is rounded up', [999, 10], 1],
    ['is unknown while nothing moves', [400, 0], undefined],
    ['is none at the end', [1000, 0], 0],
  ])('%s', (_, [doneBytes, bytesPerSecond], seconds) => {
    const left = secondsLeft({ doneBytes, bytesPerSecond, totalBytes: 1000, phase: 'copying' });
    expect(left).toBe(seconds);
  });
});
