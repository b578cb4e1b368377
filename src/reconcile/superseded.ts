/** The reason with which a pass is aborted when a newer commit waits. */
export class Superseded extends Error {
  readonly sha: string;

  constructor(sha: string) {
    super(`superseded by ${sha}`);
    this.name = 'Superseded';
    this.sha = sha;
  }
}

/** The newer commit, where that is why the signal was aborted. */
export function supersededBy(signal: AbortSignal): string | undefined {
  return signal.aborted && signal.reason instanceof Superseded ? signal.reason.sha : undefined;
}
