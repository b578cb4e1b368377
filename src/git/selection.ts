import { OperatorError } from '../errors.ts';
import type { SourceFile } from '../ports.ts';

/** How much a manifests repository may hold. */
export interface Limits {
  readonly fileBytes: number;
  readonly files: number;
  readonly totalBytes: number;
  /** Folders on the way to a file, and the file. */
  readonly depth: number;
}

export const DEFAULT_LIMITS: Limits = {
  fileBytes: 1024 * 1024,
  files: 5_000,
  totalBytes: 32 * 1024 * 1024,
  depth: 16,
};

/** What is looked at in the repository's folder. */
export const ROOTS = ['cluster.yaml', 'cluster.yml', 'manifests'] as const;

/** Whether a file holds manifests: cluster.yaml, cluster.yml, or JSON or YAML anywhere under manifests/. */
export function isManifest(path: string): boolean {
  return /^cluster\.ya?ml$|^manifests\/(?:.+\/)?[^/]+\.(?:json|ya?ml)$/u.test(path.replaceAll('\n', ' '));
}

/** A candidate, before its content is read. */
export interface Candidate {
  readonly path: string;
  readonly size: number;
}

/** Throws E_GIT_LIMIT, naming file and limit, or E_GIT_CONTENT for a name that cannot be shown. */
export function checkCandidates(candidates: readonly Candidate[], limits: Limits): void {
  if (candidates.length > limits.files) {
    throw overLimit(`manifests/ has ${candidates.length} files, the limit is ${limits.files}`);
  }
  let total = 0;
  for (const { path, size } of candidates) {
    checkName(path);
    const depth = path.split('/').length;
    if (depth > limits.depth)
      throw overLimit(`${path} is ${depth} levels deep, the limit is ${limits.depth}`, path);
    if (size > limits.fileBytes) {
      throw overLimit(`${path} has ${size} bytes, the limit is ${limits.fileBytes} for a file`, path);
    }
    total += size;
    if (total > limits.totalBytes) {
      throw overLimit(
        `the manifests have over ${limits.totalBytes} bytes, the limit for all of them, counted up to ${path}`,
        path,
      );
    }
  }
}

/** Names go into XML, notes and terminals; git hands on bytes that are no UTF-8 as U+FFFD. */
function checkName(path: string): void {
  if (!/[\p{Cc}\uFFFD]/u.test(path)) return;
  throw new OperatorError(
    'E_GIT_CONTENT',
    `${JSON.stringify(path)}: the name is not UTF-8 or has control characters; rename it`,
  );
}

/** Throws E_GIT_CONTENT where the bytes are no UTF-8. A byte order mark is dropped. */
export function decodeFile(path: string, bytes: Uint8Array): SourceFile {
  try {
    return { path, content: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch (cause) {
    throw new OperatorError('E_GIT_CONTENT', `${path} is not UTF-8 text: save it as UTF-8`, {
      cause,
      context: { file: path },
    });
  }
}

/** E_GIT_LIMIT. */
export function overLimit(message: string, file?: string): OperatorError {
  return new OperatorError('E_GIT_LIMIT', message, file === undefined ? {} : { context: { file } });
}
