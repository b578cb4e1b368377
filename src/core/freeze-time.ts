import { Cron } from 'croner';

/** How an administrator says when a freeze is: again and again, or once. Times are of the clock on the wall in `timezone`. */
export type FreezeTime = { readonly timezone: string } & (
  | { readonly kind: 'repeated'; readonly start: string; readonly durationMin: number }
  | { readonly kind: 'once'; readonly from: string; readonly to: string }
);

export interface Window {
  readonly start: Date;
  readonly end: Date;
}

const MIN_MS = 60_000;
/** Clocks are put forward or back by an hour, in a few places by more. */
const SHIFT_MS = 3 * 60 * MIN_MS;
/** Windows that follow each other without a gap are one, up to so many. */
const MAX_MERGED = 100;

/** The window that is open at an instant: from its start on, and at its end no more. */
export function windowAt(time: FreezeTime, now: Date): Window | undefined {
  if (time.kind === 'once') {
    const window = { start: instantOf(time.from, time.timezone), end: instantOf(time.to, time.timezone) };
    return window.start <= now && now < window.end ? window : undefined;
  }
  const lookback = time.durationMin * MIN_MS + SHIFT_MS;
  const first = startsAfter(time, new Date(now.getTime() - lookback));
  for (let start = first; start !== null && start <= now; start = startsAfter(time, start)) {
    const end = endOf(time, start);
    if (end > now) return { start, end: lastEnd(time, { start, end }) };
  }
  return undefined;
}

/** When the next window opens; undefined: never again. */
export function nextStart(time: FreezeTime, now: Date): Date | undefined {
  if (time.kind === 'repeated') return startsAfter(time, now) ?? undefined;
  const start = instantOf(time.from, time.timezone);
  return start > now ? start : undefined;
}

/** A local time as an instant. One that clocks jump over is as much later. Throws RangeError for what is no time. */
export function instantOf(local: string, timezone: string): Date {
  const instant = new Cron(local, { timezone }).nextRun(new Date(0));
  if (instant === null) throw new RangeError(`${local} is no time after 1970`);
  return instant;
}

/** `Mon 2026-11-30 06:00 Europe/Berlin` */
export function formatLocal(at: Date, timezone: string): string {
  const weekday = new Intl.DateTimeFormat('en-US', { timeZone: timezone, weekday: 'short' }).format(at);
  return `${weekday} ${localText(wallClock(at, timezone)).slice(0, 16).replace('T', ' ')} ${timezone}`;
}

type Repeated = Extract<FreezeTime, { kind: 'repeated' }>;

function startsAfter({ start, timezone }: Repeated, after: Date): Date | null {
  return new Cron(start, { timezone, mode: '5-part' }).nextRun(after);
}

/** By the clock on the wall: from Friday 18:00 for 60 hours is until Monday 06:00, whether clocks are changed or not. */
function endOf({ durationMin, timezone }: Repeated, start: Date): Date {
  const end = instantOf(localText(wallClock(start, timezone) + durationMin * MIN_MS), timezone);
  // An hour that comes twice: the window is not to end before it begins.
  return end > start ? end : new Date(start.getTime() + durationMin * MIN_MS);
}

function lastEnd(time: Repeated, { start, end }: Window): Date {
  let [last, next] = [end, startsAfter(time, start)];
  for (let merged = 0; next !== null && next <= last && merged < MAX_MERGED; merged++) {
    last = endOf(time, next);
    next = startsAfter(time, next);
  }
  return last;
}

/** What the clock on the wall shows, as if it were UTC. */
function wallClock(at: Date, timezone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at);
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
}

function localText(wallMs: number): string {
  return new Date(wallMs).toISOString().slice(0, 19);
}
