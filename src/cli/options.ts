/** Options that every command has. */
export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
}

/** Writes a result to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes a result to stdout as JSON. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}
