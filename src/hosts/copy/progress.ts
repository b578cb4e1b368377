export interface CopyProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Over the last seconds; holes are done in no time. */
  readonly bytesPerSecond: number;
  readonly phase: 'copying' | 'checking';
}

/** How far something was at a moment. */
export interface Sample {
  readonly atMs: number;
  readonly doneBytes: number;
}

const WINDOW_MS = 5000;
const REPORT_MS = 500;

/** The samples of the last seconds with this one; the newest before them is kept, to measure from. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const from = samples.findLastIndex(({ atMs }) => atMs <= sample.atMs - WINDOW_MS);
  return [...samples.slice(Math.max(0, from)), sample];
}

/** Bytes per second between the first sample and the last. */
export function rateOf(samples: readonly Sample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
  return Math.round(((last.doneBytes - first.doneBytes) / (last.atMs - first.atMs)) * 1000);
}

/** Seconds until it is done at this rate; undefined while nothing moves. */
export function secondsLeft({ doneBytes, totalBytes, bytesPerSecond }: CopyProgress): number | undefined {
  if (bytesPerSecond <= 0) return doneBytes >= totalBytes ? 0 : undefined;
  return Math.ceil((totalBytes - doneBytes) / bytesPerSecond);
}

/** Tells how far one phase is: at its beginning, twice a second, and when all is done. */
export function createMeter(
  phase: CopyProgress['phase'],
  { doneBytes: from, totalBytes }: Pick<CopyProgress, 'doneBytes' | 'totalBytes'>,
  report: (progress: CopyProgress) => void,
): (bytes: number) => void {
  let doneBytes = from;
  let samples: readonly Sample[] = [];
  const tell = (atMs: number) => {
    samples = withSample(samples, { atMs, doneBytes });
    report({ doneBytes, totalBytes, bytesPerSecond: rateOf(samples), phase });
  };
  tell(performance.now());
  return (bytes) => {
    doneBytes += bytes;
    const atMs = performance.now();
    if (doneBytes === totalBytes || atMs - (samples.at(-1)?.atMs ?? 0) >= REPORT_MS) tell(atMs);
  };
}
