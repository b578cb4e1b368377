/** A guest that was asked to shut down, and has not been waited for to the end. */
export interface Asked {
  /** The run that is to end: a VM that was started anew since has not been asked. */
  readonly run: number;
  /** The first time and the last one, by `performance.now()`. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly times: number;
}

/** A step has stopped waiting for a guest, as a newer commit is there. What was asked stands; the next pass goes on. */
export class WaitCutShort extends Error {
  override readonly name = 'WaitCutShort';
  /** Absent: the guest was asked nothing that has to be remembered. */
  readonly asked: Asked | undefined;

  constructor(asked?: Asked) {
    super('a newer commit is there: the next pass goes on waiting');
    this.asked = asked;
  }
}
