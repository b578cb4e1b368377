import type { ClientChannel } from 'ssh2';
import { OperatorError } from '../errors.ts';
import { shellQuote } from './shell-quote.ts';

/** What a command did that ran to its end. */
export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface CollectOptions {
  readonly maxOutputBytes: number;
  /** The command, for messages. */
  readonly what: string;
  readonly input?: string | Buffer | undefined;
}

/** How long a host lets a command live after we stopped waiting for it. */
const GRACE_MS = 1000;

/** The shell command for an argument list: in the C locale and, as closing a channel kills nothing, ended by the host itself. */
export function remoteCommand(argv: readonly string[], timeoutMs?: number): string {
  const limit =
    timeoutMs === undefined ? [] : ['timeout', '-k', '5', `${Math.ceil((timeoutMs + GRACE_MS) / 1000)}`];
  return shellQuote(['env', 'LC_ALL=C', ...limit, ...argv]);
}

/** Collects a command's output until its channel closes. E_OUTCOME_UNKNOWN when it did not report an exit code. */
export function collect(channel: ClientChannel, options: CollectOptions): Promise<ExecResult> {
  const { maxOutputBytes, what, input } = options;
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let bytes = 0;
  return new Promise((resolve, reject) => {
    const take = (into: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxOutputBytes) into.push(chunk);
      else {
        channel.close();
        reject(outcomeUnknown(`${what} printed more than ${maxOutputBytes} bytes and was cut off`));
      }
    };
    // stderr first: the channel's 'close' follows the end of stdout, and stderr must have flowed by then.
    channel.stderr.on('data', take(stderr));
    channel.on('data', take(stdout));
    channel.on('error', (error: Error) => reject(outcomeUnknown(`${what}: ${error.message}`, error)));
    channel.on('close', (code?: number | null, signal?: string) => {
      if (typeof code === 'number') resolve({ code, stdout: decode(stdout), stderr: decode(stderr) });
      else reject(outcomeUnknown(`${what} ${signal ? `was ended by ${signal}` : 'lost its connection'}`));
    });
    if (input === undefined) channel.end();
    else channel.end(input);
  });
}

/** E_OUTCOME_UNKNOWN: the command was sent and its end was not seen. */
export function outcomeUnknown(message: string, cause?: unknown): OperatorError {
  return new OperatorError('E_OUTCOME_UNKNOWN', `${message}: whether it ran is unknown`, { cause });
}

/** Once for the whole output: a character may be spread over two packets. */
function decode(chunks: readonly Buffer[]): string {
  return Buffer.concat(chunks).toString('utf8');
}
