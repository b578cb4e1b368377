import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { run } from './command.ts';

export interface TiedOptions {
  /** File for what it prints. */
  readonly log: string;
  /** It outlives this process. */
  readonly keep: boolean;
  /** Where to make the FIFO that is its standard input if it is kept. */
  readonly fifo: string;
}

/**
 * Starts a program that is to end when its standard input does. That is a pipe whose other end closes with this process,
 * however it dies; or, for one that is kept, a FIFO that it holds open itself. Does not keep this process running.
 */
export async function spawnTied(
  argv: readonly string[],
  { log, keep, fifo }: TiedOptions,
): Promise<ChildProcess> {
  const [program = '', ...args] = argv;
  if (keep && !existsSync(fifo)) await run(['mkfifo', fifo]);
  const input = keep ? openSync(fifo, 'r+') : 'pipe';
  const output = openSync(log, 'w');
  const child = spawn(program, args, {
    stdio: [input, output, output],
    // A process group of its own: a Ctrl-C on the terminal is for this process, which cleans up.
    detached: true,
    env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' },
  });
  for (const fd of [input, output]) if (typeof fd === 'number') closeSync(fd);
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  return child;
}
