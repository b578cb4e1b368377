import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import type { StatusView } from '../../src/http/status-view.ts';
import { PROGRAM, ROOT } from '../program.ts';
import { waitFor } from './wait.ts';

const START_TIMEOUT_MS = 30_000;
const EXIT_TIMEOUT_MS = 60_000;

/** `kvm-gitops run` as a process of its own. It dies with the process that started it. */
export interface OperatorProcess {
  /** What it has logged so far. */
  log(): string;
  status(): Promise<StatusView>;
  signal(name: 'SIGUSR1'): void;
  /** SIGKILL; done when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; gives its exit code, null where something else ended it. */
  stop(): Promise<number | null>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** operator.yaml. */
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Starts it; done at once. What it logs goes to `logFile` too. */
export function spawnOperator(
  options: ProgramOptions,
  logFile: string,
  statusUrl: () => string,
): OperatorProcess {
  const child = start(['run'], options);
  let log = '';
  const copy = createWriteStream(logFile, { flags: 'a' });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    log += text;
    copy.write(text);
  });
  child.stdout.resume();
  const exited = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      copy.end();
      resolve(code);
    });
  });
  const end = async (signal: 'SIGKILL' | 'SIGTERM') => {
    child.kill(signal);
    const late = AbortSignal.timeout(EXIT_TIMEOUT_MS);
    const code = await Promise.race([exited, rejection(late, `the operator ignores ${signal}:\n${log}`)]);
    return code;
  };
  return {
    log: () => log,
    status: () => askStatus(statusUrl()),
    signal: (name) => void child.kill(name),
    kill: async () => void (await end('SIGKILL')),
    stop: () => end('SIGTERM'),
  };
}

/** Waits until it answers over HTTP. */
export async function untilServing(operator: OperatorProcess): Promise<void> {
  await waitFor('the operator to answer', () => operator.status(), { timeoutMs: START_TIMEOUT_MS });
}

/** Runs one command to its end. */
export function runCli(args: readonly string[], options: ProgramOptions): Promise<CliResult> {
  const child = start(args, options);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

function start(args: readonly string[], { config, env }: ProgramOptions) {
  const program = [...PROGRAM, '--config', config, ...args];
  // The signal comes however this process ends, so that no operator outlives its test.
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...program], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function askStatus(url: string): Promise<StatusView> {
  const answer = await fetch(`${url}/api/status`, { signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return JSON.parse(await answer.text());
}

function rejection(signal: AbortSignal, message: string): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error(message)), { once: true });
  });
}
