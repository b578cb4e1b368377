import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperatorError } from '../errors.ts';
import { asGitFailure } from './failures.ts';
import type { Git } from './git.ts';
import { overLimit } from './selection.ts';

/** What somebody whom nobody knows may make git fetch and read. */
export interface Bounds {
  readonly fetchBytes: number;
  /** Of the names of all files and folders. */
  readonly listBytes: number;
}

export const BOUNDS_OF_PULLS: Bounds = { fetchBytes: 256 * 1024 * 1024, listBytes: 8 * 1024 * 1024 };

const LOOK_MS = 250;

/** Ends the work, with E_GIT_LIMIT, once the folder has grown by more than that. */
export async function withinGrowth(
  dir: string,
  { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const limit = (await sizeOf(dir)) + maxBytes;
  const stop = new AbortController();
  const look = async (): Promise<void> => {
    if ((await sizeOf(dir)) > limit) stop.abort(tooLarge(maxBytes));
  };
  const timer = setInterval(() => void look(), LOOK_MS);
  try {
    await work(AbortSignal.any([signal, stop.signal]));
    await look();
    stop.signal.throwIfAborted();
  } finally {
    clearInterval(timer);
  }
}

/** E_GIT_LIMIT where a commit has so many files that a merge would take its time: a few objects can be billions of files. */
export async function requireShortList(
  git: Git,
  ref: string,
  { maxBytes, signal }: { readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<void> {
  const args = ['ls-tree', '-r', '-t', '-z', '--name-only', ref];
  await git.text(args, { signal, maxOutputBytes: maxBytes }).catch((error: unknown) => {
    const failure = asGitFailure(error);
    if (failure.kind !== 'too-long' && failure.kind !== 'timeout') throw failure;
    throw overLimit(`it has far too many files: their names alone are over ${maxBytes} bytes`);
  });
}

function tooLarge(maxBytes: number): OperatorError {
  return overLimit(`its history and files have over ${maxBytes} bytes that its base does not have`);
}

async function sizeOf(dir: string): Promise<number> {
  // git moves its files meanwhile: the next look sees them.
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(({ parentPath, name }) =>
      stat(join(parentPath, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
