import { spawn } from 'node:child_process';

export interface RunOptions {
  /** Written to its standard input. */
  readonly input?: string;
  readonly cwd?: string;
  /** It is killed after this time; 60 s unless told. */
  readonly timeoutMs?: number;
}

/** Runs a program without a shell and returns its standard output. A failure is an error that quotes its standard error. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      timeout: options.timeoutMs ?? 60_000,
      killSignal: 'SIGKILL',
      env: { ...process.env, LC_ALL: 'C' },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A program that does not read its input is no failure of ours: its exit code counts.
    child.stdin.on('error', () => undefined).end(options.input);
    child.on('error', (cause) => reject(new Error(`${program} cannot be run: ${cause.message}`, { cause })));
    child.on('close', (code, signal) => {
      if (code === 0) resolve(stdout);
      else
        reject(
          new Error(
            `${argv.join(' ')}: ${code === null ? `killed by ${signal}` : `exit ${code}`}\n${stderr}`,
          ),
        );
    });
  });
}
