import { type Logger, pino } from 'pino';
import { OperatorError } from './errors.ts';
import { formatRecord } from './log-terminal.ts';
import { redactField, redactText } from './redact.ts';

export type { Logger } from 'pino';

export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';

/** Where lines go; `process.stderr` is one. */
interface LogDestination {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Default: stderr. */
  readonly destination?: LogDestination;
}

/**
 * The program's only logger: lines of JSON, or short lines for people where the destination is a terminal. Secrets are
 * taken out of every line here, after all bindings and errors are in it, and nowhere else.
 */
export function createLogger({ level, destination = process.stderr }: LoggerOptions): Logger {
  const render = destination.isTTY === true ? formatRecord : JSON.stringify;
  const write = (line: string) => {
    const record = parseRecord(line);
    destination.write(`${record === undefined ? redactText(line.trimEnd()) : render(record)}\n`);
  };
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (error: unknown) => describeError(error) },
    },
    { write },
  );
}

function parseRecord(line: string): Record<string, unknown> | undefined {
  try {
    const record: Record<string, unknown> = JSON.parse(line, redactField);
    return record;
  } catch {
    // Not a record: the caller writes the redacted text, so that nothing is lost.
    return undefined;
  }
}

/** An error as a log line carries it. */
interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string | number;
  readonly context?: Readonly<Record<string, string>>;
  /** Only of an error without a code: that is a bug, and the place counts. */
  readonly stack?: string;
  readonly cause?: LoggedError;
  readonly errors?: readonly LoggedError[];
}

const MAX_CAUSES = 8;

function describeError(error: unknown, depth = 0): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: describeThrown(error) };
  const code = codeOf(error);
  const { cause } = error;
  const goesOn = depth < MAX_CAUSES;
  return {
    type: error.name,
    message: error.message,
    ...(code !== undefined && { code }),
    ...(error instanceof OperatorError && { context: error.context }),
    ...(code === undefined && error.stack !== undefined && { stack: error.stack }),
    ...(goesOn && cause !== undefined && { cause: describeError(cause, depth + 1) }),
    ...(goesOn &&
      error instanceof AggregateError && {
        errors: error.errors.slice(0, MAX_CAUSES).map((inner) => describeError(inner, depth + 1)),
      }),
  };
}

function codeOf(error: Error): string | number | undefined {
  const code: unknown = 'code' in error ? error.code : undefined;
  return typeof code === 'string' || typeof code === 'number' ? code : undefined;
}

/** Of an object only the names of its fields: their values may be secrets, and in a text nothing tells. */
function describeThrown(value: unknown): string {
  return typeof value === 'object' && value !== null
    ? `an object with ${Object.keys(value).join(', ') || 'no fields'} was thrown`
    : String(value);
}
