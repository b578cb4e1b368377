import { constants, type Dirent } from 'node:fs';
import { lstat, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../errors.ts';
import type { Snapshot, SourceFile } from '../ports.ts';
import {
  type Candidate,
  checkCandidates,
  DEFAULT_LIMITS,
  decodeFile,
  isManifest,
  type Limits,
  overLimit,
  ROOTS,
} from './selection.ts';

/**
 * Reads from a plain folder what a commit of it would hold for us: the same files, the same limits, no link followed.
 * Throws E_USAGE where the folder cannot be read.
 */
export async function readFolder(
  dir: string,
  limits: Limits = DEFAULT_LIMITS,
): Promise<Omit<Snapshot, 'revision'>> {
  const top = await readdir(dir, { withFileTypes: true }).catch((cause: unknown) => {
    throw new OperatorError('E_USAGE', `${dir} cannot be read as a folder`, { cause });
  });
  const walk: Walk = { dir, limits, files: [], skipped: [] };
  const roots = top.filter(({ name }) => ROOTS.some((root) => root === name));
  await collect(walk, '', roots);
  const candidates = walk.files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  checkCandidates(candidates, limits);
  const files: SourceFile[] = [];
  for (const { path } of candidates) files.push(decodeFile(path, await readRegular(join(dir, path), limits)));
  return { files, skipped: walk.skipped };
}

interface Walk {
  readonly dir: string;
  readonly limits: Limits;
  readonly files: Candidate[];
  readonly skipped: { path: string; reason: string }[];
}

async function collect(walk: Walk, prefix: string, entries: readonly Dirent[]): Promise<void> {
  for (const entry of entries) {
    const path = prefix + entry.name;
    if (entry.isSymbolicLink()) {
      walk.skipped.push({ path, reason: 'a symbolic link: not followed' });
    } else if (entry.isDirectory()) {
      await collectFolder(walk, path);
    } else if (entry.isFile() && isManifest(path)) {
      walk.files.push({ path, size: (await lstat(join(walk.dir, path))).size });
      // Before more is listed: the folder may be endless.
      if (walk.files.length > walk.limits.files) checkCandidates(walk.files, walk.limits);
    } else if (!entry.isFile()) {
      walk.skipped.push({ path, reason: 'not a file: not followed' });
    }
  }
}

async function collectFolder(walk: Walk, path: string): Promise<void> {
  // A folder named cluster.yaml holds nothing for us.
  if (path !== 'manifests' && !path.startsWith('manifests/')) return;
  const entries = await readdir(join(walk.dir, path), { withFileTypes: true });
  if (entries.some(({ name }) => name === '.git')) {
    walk.skipped.push({ path, reason: 'a submodule: not followed' });
    return;
  }
  const { depth } = walk.limits;
  if (path.split('/').length >= depth && entries.length > 0) {
    throw overLimit(`${path} is too deep for files in it, the limit is ${depth} levels`, path);
  }
  await collect(walk, `${path}/`, entries);
}

async function readRegular(path: string, limits: Limits): Promise<Buffer> {
  // NOFOLLOW and NONBLOCK: it may have become a link or a pipe since it was listed.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const now = await file.stat();
    if (!now.isFile() || now.size > limits.fileBytes)
      throw overLimit(`${path} changed while it was read`, path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(now.size), 0, now.size, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
