import pLimit, { type LimitFunction } from 'p-limit';

/** Runs what has the same key one after the other, and anything else at once. */
export function limitPerKey(): (key: string, work: () => Promise<void>) => Promise<void> {
  const limits = new Map<string, LimitFunction>();
  return async (key, work) => {
    const limit = limits.get(key) ?? pLimit(1);
    limits.set(key, limit);
    await limit(work);
  };
}
