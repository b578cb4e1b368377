import { spawn } from 'node:child_process';
import { open, readdir, readFile, rename } from 'node:fs/promises';
import { errorMessage, OperatorError } from '../errors.ts';
import type { Ended, Machine } from './machine.ts';
import { scratchPath } from './scratch-path.ts';

const TIMEOUT_MS = 30_000;

/** The machine that this program runs on. */
export function localMachine(): Machine {
  return {
    name: 'this machine',
    address: '127.0.0.1',
    read: (path) => unlessAbsent(path, ['ENOENT'], readFile(path, 'utf8')),
    list: (path) => unlessAbsent(path, ['ENOENT', 'ENOTDIR'], readdir(path)),
    replace: (path, text) =>
      replaceFile(path, text).catch((error: unknown) => {
        throw failure(`${path} cannot be written`, error);
      }),
    run,
    close() {},
  };
}

async function unlessAbsent<T>(
  path: string,
  absent: readonly string[],
  work: Promise<T>,
): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Error && 'code' in error && absent.includes(String(error.code))) return undefined;
    throw failure(`${path} cannot be read`, error);
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  const scratch = scratchPath(path);
  const file = await open(scratch, 'w', 0o644);
  try {
    await file.writeFile(text);
    // Whatever our umask is: dnsmasq reads it as a user of its own.
    await file.chmod(0o644);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(scratch, path);
}

function run(argv: readonly string[], signal?: AbortSignal): Promise<Ended> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      ...(signal !== undefined && { signal }),
      // Where dhcp_release and dnsmasq are, a plain user's PATH often does not look.
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
    child.on('error', (error) => reject(failure(`${program} cannot be run`, error)));
    child.on('close', (code, ended) => {
      if (code !== null) resolve({ code, stdout, stderr });
      else reject(failure(`${argv.join(' ')} was ended by ${ended}`));
    });
  });
}

function failure(what: string, cause?: unknown): OperatorError {
  const why = cause === undefined ? '' : `: ${errorMessage(cause)}`;
  return new OperatorError('E_DNSMASQ', `${what}${why}`, { cause });
}
