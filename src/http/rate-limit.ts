export interface RateLimit {
  /** Tokens that a source has at once. */
  readonly burst: number;
  readonly perSecond: number;
  /** How many sources are remembered; the one that was quiet longest is forgotten first. */
  readonly sources: number;
}

export interface RateLimiter {
  /** Takes a token; undefined: there was one, else the seconds until the next. `isFirst`: nobody was told of it yet. */
  take(source: string): { readonly retryAfterS: number; readonly isFirst: boolean } | undefined;
}

interface Bucket {
  tokens: number;
  at: number;
  refused: boolean;
}

/** A token bucket for each source, in bounded memory. `nowMs` never goes back. */
export function createRateLimiter(
  { burst, perSecond, sources }: RateLimit,
  nowMs: () => number,
): RateLimiter {
  const buckets = new Map<string, Bucket>();
  return {
    take(source) {
      const now = nowMs();
      const before = buckets.get(source) ?? { tokens: burst, at: now, refused: false };
      const tokens = Math.min(burst, before.tokens + ((now - before.at) / 1000) * perSecond);
      const isAllowed = tokens >= 1;
      buckets.delete(source);
      buckets.set(source, { tokens: isAllowed ? tokens - 1 : tokens, at: now, refused: !isAllowed });
      for (const oldest of buckets.keys()) {
        if (buckets.size <= sources) break;
        buckets.delete(oldest);
      }
      if (isAllowed) return undefined;
      return { retryAfterS: Math.ceil((1 - tokens) / perSecond), isFirst: !before.refused };
    },
  };
}
