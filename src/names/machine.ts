/** What a command did that ran to its end. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The machine that dnsmasq is on: this one, or one that SSH reaches. Failures are E_DNSMASQ or those of SSH. */
export interface Machine {
  /** `this machine`, or its address, for messages. */
  readonly name: string;
  /** Where its DNS can be asked, when nobody says. */
  readonly address: string;
  /** The text of a file; undefined: there is none. */
  read(path: string, signal?: AbortSignal): Promise<string | undefined>;
  /** The names in a folder; undefined: it is a file, or not there. */
  list(path: string, signal?: AbortSignal): Promise<readonly string[] | undefined>;
  /** Puts a file that everybody may read in the place of the old one, whole or not at all. */
  replace(path: string, text: string): Promise<void>;
  /** Runs a command; a non-zero exit code is a result. */
  run(argv: readonly string[], signal?: AbortSignal): Promise<Ended>;
  close(): void;
}
