import type { Revision } from '../core/report.ts';
import { OperatorError } from '../errors.ts';
import type { Snapshot, SourceFile } from '../ports.ts';
import { type Git, type GitCall, GitFailure } from './git.ts';
import {
  type Candidate,
  checkCandidates,
  decodeFile,
  isManifest,
  type Limits,
  overLimit,
  ROOTS,
} from './selection.ts';

/** What of a repository is ours. */
export interface Scope {
  /** '' for the root. */
  readonly folder: string;
  readonly limits: Limits;
}

/** A list longer than this is refused unread: a few objects can describe a tree of any size. */
const MAX_LIST_BYTES = 8 * 1024 * 1024;

/**
 * Reads a commit's manifests from the object database: no work tree, so links, submodules, filters and hooks do nothing.
 * Throws E_GIT_LIMIT and E_GIT_CONTENT with the revision in their context; a GitFailure means that the mirror is broken.
 */
export async function readSnapshot(
  git: Git,
  revision: Revision,
  scope: Scope,
  call: GitCall = {},
): Promise<Snapshot> {
  try {
    const entries = await listTree(git, revision.sha, scope.folder, call);
    const blobs = entries.filter(isRegular).filter(({ path }) => isManifest(path));
    checkCandidates(blobs, scope.limits);
    return { revision, files: await readBlobs(git, blobs, call), skipped: entries.flatMap(skip) };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const message = `commit ${revision.sha.slice(0, 12)}: ${error.message}`;
    throw new OperatorError(error.code, message, {
      cause: error,
      context: { ...error.context, ...revision },
    });
  }
}

interface TreeEntry extends Candidate {
  readonly mode: string;
  readonly oid: string;
}

async function listTree(git: Git, sha: string, folder: string, call: GitCall): Promise<TreeEntry[]> {
  const prefix = folder === '' ? '' : `${folder}/`;
  const roots = ROOTS.map((root) => prefix + root);
  const output = await git
    .text(['ls-tree', '-r', '-z', '-l', sha, ...roots], { ...call, maxOutputBytes: MAX_LIST_BYTES })
    .catch((error: unknown) => {
      if (!(error instanceof GitFailure) || error.kind !== 'too-long') throw error;
      throw overLimit(`manifests/ has far too many files: their list alone is over ${MAX_LIST_BYTES} bytes`);
    });
  if (output === '' && folder !== '') {
    throw new OperatorError(
      'E_GIT_CONTENT',
      `the repository has neither ${prefix}cluster.yaml nor ${prefix}manifests/`,
    );
  }
  return output.split('\0').flatMap((line) => parseEntry(line, prefix.length));
}

/** `MODE TYPE OID SIZE<tab>PATH`; the size is padded, and `-` for a submodule. */
function parseEntry(line: string, prefixLength: number): TreeEntry[] {
  const tab = line.indexOf('\t');
  const [mode, , oid, size] = line.slice(0, tab).split(/ +/);
  if (tab < 0 || mode === undefined || oid === undefined || size === undefined) return [];
  return [{ mode, oid, size: Number(size) || 0, path: line.slice(tab + 1 + prefixLength) }];
}

function isRegular({ mode }: TreeEntry): boolean {
  return mode === '100644' || mode === '100755';
}

function skip(entry: TreeEntry): { path: string; reason: string }[] {
  if (isRegular(entry)) return [];
  const reason =
    entry.mode === '120000' ? 'a symbolic link' : entry.mode === '160000' ? 'a submodule' : 'not a file';
  return [{ path: entry.path, reason: `${reason}: not followed` }];
}

async function readBlobs(git: Git, blobs: readonly TreeEntry[], call: GitCall): Promise<SourceFile[]> {
  if (blobs.length === 0) return [];
  const output = await git.objects(
    blobs.map(({ oid }) => oid),
    call,
  );
  let offset = 0;
  return blobs.map(({ path, oid, size }) => {
    const start = output.indexOf(0x0a, offset) + 1;
    const header = output.subarray(offset, Math.max(offset, start - 1)).toString();
    if (header !== `${oid} blob ${size}` || output.length < start + size) {
      throw new GitFailure('corrupt', 'cat-file', `object ${oid} of ${path} cannot be read`);
    }
    offset = start + size + 1;
    return decodeFile(path, output.subarray(start, start + size));
  });
}
