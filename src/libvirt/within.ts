interface Limits {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** What it rejects with when the time is up; made only then. */
  readonly late: () => Error;
}

/** Waits for a promise no longer than the limits allow. */
export function within(done: Promise<void>, { signal, timeoutMs, late }: Limits): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    const timer = Number.isFinite(timeoutMs) ? setTimeout(() => reject(late()), timeoutMs) : undefined;
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    const settled = done.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    });
    settled.then(resolve, reject);
  });
}
