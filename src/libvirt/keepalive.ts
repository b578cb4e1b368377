export interface KeepaliveOptions {
  /** How long the peer may be silent before it is pinged. */
  readonly intervalMs: number;
  /** How many pings in a row may go unanswered. */
  readonly count: number;
}

/**
 * The daemon reads nothing more from a client that has `max_client_requests` calls under way (5 unless configured), so beyond
 * that its silence proves nothing, and the calls' own timeouts watch over it.
 */
export const CALLS_THAT_MAY_SILENCE_DAEMON = 5;

/** What the watch needs of the connection. */
export interface Watched {
  ping(): void;
  /** True when silence proves nothing at the moment. */
  excused(): boolean;
  silent(afterMs: number): void;
}

/** Pings a silent peer and reports one that stays silent. */
export class Keepalive {
  readonly #timer: NodeJS.Timeout;
  #heard = false;
  #unanswered = 0;

  constructor(options: KeepaliveOptions, watched: Watched) {
    this.#timer = setInterval(() => this.#tick(options, watched), options.intervalMs);
  }

  /** Anything that arrives is a sign of life. */
  heard(): void {
    this.#heard = true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick({ intervalMs, count }: KeepaliveOptions, watched: Watched): void {
    if (this.#heard || watched.excused()) {
      this.#heard = false;
      this.#unanswered = 0;
      return;
    }
    if (this.#unanswered >= count) {
      watched.silent(intervalMs * (count + 1));
      return;
    }
    this.#unanswered += 1;
    watched.ping();
  }
}
