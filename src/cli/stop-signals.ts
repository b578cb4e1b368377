import { constants } from 'node:os';

/** npm and tsx pass on what the terminal has sent to us as well: within this time it is the same Ctrl-C. */
const SAME_MS = 1000;

/** Calls back at the first SIGINT, SIGTERM or SIGHUP (the terminal was closed); a later one ends the process at once. */
export function onStopSignal(callback: (name: NodeJS.Signals) => void): void {
  let first: number | undefined;
  const hear = (name: 'SIGINT' | 'SIGTERM' | 'SIGHUP') => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      callback(name);
    } else if (now - first > SAME_MS) process.exit(128 + constants.signals[name]);
  };
  process.on('SIGINT', hear).on('SIGTERM', hear).on('SIGHUP', hear);
}
