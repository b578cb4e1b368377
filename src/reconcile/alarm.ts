/** Rings once, at an instant; the newest instant counts. */
export interface Alarm {
  /** Undefined: not at all. */
  set(at: Date | undefined): void;
  stop(): void;
}

/** Timers are a little early now and then, and at the instant itself it has to be past. */
const LATER_MS = 50;
/** A timer takes no more than 24 days. Woken too early, a pass finds nothing, and sets the alarm again. */
const MOST_MS = 24 * 24 * 3_600_000;

export function createAlarm(ring: () => void): Alarm {
  let timer: NodeJS.Timeout | undefined;
  const stop = () => clearTimeout(timer);
  return {
    set(at) {
      stop();
      if (at === undefined) return;
      const ms = Math.max(at.getTime() - Date.now(), 0) + LATER_MS;
      timer = setTimeout(ring, Math.min(ms, MOST_MS));
      timer.unref();
    },
    stop,
  };
}
