import { describe, expect, it } from 'vitest';
import { waitFor } from './wait.ts';

const SOON = { timeoutMs: 20, intervalMs: 1 };

const refused = () => Promise.reject(new Error('refused'));

describe('waitFor', () => {
  it('returns what the condition found, and takes an error for not yet', async () => {
    let looks = 0;
    const found = await waitFor(
      'the third look',
      () => {
        looks += 1;
        if (looks === 1) throw new Error('too early');
        return looks === 3 && 'there';
      },
      { timeoutMs: 5_000, intervalMs: 1 },
    );
    expect(found).toBe('there');
  });

  it('names what it waited for and the last error when time is up', async () => {
    await expect(waitFor('a host', refused, SOON)).rejects.toThrow(
      'waited 20 ms in vain for a host: refused',
    );
    await expect(waitFor('a host', () => false, SOON)).rejects.toThrow(/for a host$/);
  });
});
