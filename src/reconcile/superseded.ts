import { setMaxListeners } from 'node:events';

/** The reason with which a pass is aborted when a newer commit waits. */
export class Superseded extends Error {
  readonly sha: string;

  constructor(sha: string) {
    super(`superseded by ${sha}`);
    this.name = 'Superseded';
    this.sha = sha;
  }
}

/** Aborted with the signal where that is because of a newer commit, and not because the operator stops. */
export function whenSuperseded(signal: AbortSignal): AbortSignal {
  const newer = new AbortController();
  // Every step that waits for a guest listens to it.
  setMaxListeners(0, newer.signal);
  const look = () => {
    if (supersededBy(signal) !== undefined) newer.abort(signal.reason);
  };
  signal.addEventListener('abort', look, { once: true });
  look();
  return newer.signal;
}

/** The newer commit, where that is why the signal was aborted. */
export function supersededBy(signal: AbortSignal): string | undefined {
  return signal.aborted && signal.reason instanceof Superseded ? signal.reason.sha : undefined;
}
