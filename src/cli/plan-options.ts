import { OperatorError } from '../errors.ts';
import type { MergeNames } from '../git/merge.ts';
import type { GlobalOptions } from './options.ts';

export interface PlanOptions extends GlobalOptions {
  readonly revision?: string;
  readonly base?: string;
  readonly head?: string;
  readonly repository?: string;
  readonly offline?: boolean;
  readonly format?: 'text' | 'markdown' | 'json';
  readonly linkBase?: string;
  readonly maxBytes?: string;
}

const MIN_BYTES = 200;
/** A comment on GitHub takes 65,536 characters; the rest is left to whoever posts it. */
const DEFAULT_MAX_BYTES = 60_000;

/** What is to be merged; undefined: nothing. Throws E_USAGE for options that do not go together. */
export function mergeNames(dir: string | undefined, options: PlanOptions): MergeNames | undefined {
  const { base, head, revision, repository, offline } = options;
  if (base === undefined && head === undefined) {
    if (repository !== undefined || offline) throw usage('--repository and --offline need --base and --head');
    return undefined;
  }
  if (base === undefined || head === undefined) throw usage('--base and --head go together');
  if (dir !== undefined || revision !== undefined)
    throw usage('--base and --head stand instead of a folder and of --revision');
  return { base, head };
}

/** Bytes of a plan as Markdown. */
export function maxBytesOf({ maxBytes }: PlanOptions): number {
  const bytes = maxBytes === undefined ? DEFAULT_MAX_BYTES : Number(maxBytes);
  if (Number.isInteger(bytes) && bytes >= MIN_BYTES) return bytes;
  throw usage(`--max-bytes takes a whole number from ${MIN_BYTES}, not ${maxBytes}`);
}

/** An address that a link may go to, and that ends none. */
export function linkBaseOf({ linkBase }: PlanOptions): string | undefined {
  if (linkBase === undefined || /^https?:\/\/[^\s()<>`|\\]+$/.test(linkBase)) return linkBase;
  throw usage('--link-base takes an http or https address without spaces and parentheses');
}

function usage(message: string): OperatorError {
  return new OperatorError('E_USAGE', message);
}
