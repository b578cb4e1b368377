import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { assess, newRefusals } from '../core/assess.ts';
import type { Issue } from '../core/issue.ts';
import type { Move } from '../core/placing/place-movers.ts';
import { patchOf } from '../core/rewriting/patch.ts';
import { rewriteHosts } from '../core/rewriting/rewrite-hosts.ts';
import { OperatorError } from '../errors.ts';
import type { SourceFile } from '../ports.ts';
import type { JudgedFiles } from './assess-now.ts';
import type { Session } from './session.ts';

/** Manifests that can be read, and what they mean on the hosts. */
export type Accepted = Extract<JudgedFiles, { ok: true }>;

/** Moves as a change of files. */
export interface ProposedChange {
  /** Those that change, with their paths from the root of the repository. */
  readonly files: readonly SourceFile[];
  readonly patch: string;
  /** Why a commit of it would be refused, and one without it would not. */
  readonly issues: readonly Issue[];
}

/** Writes VMs under other hosts, and judges what comes of it as a pass would. `dir`: the folder that was read. */
export function proposedChange(
  { config, operator }: Session,
  judged: Accepted,
  { moves, dir }: { readonly moves: readonly Move[]; readonly dir?: string | undefined },
): ProposedChange {
  const { snapshot, observed } = judged;
  const rewritten = rewriteHosts(snapshot.files, new Map(moves.map(({ vm, to }) => [vm, to])));
  if (!rewritten.ok) throw new OperatorError('E_USAGE', rewritten.problem);
  const changed = new Map(rewritten.files.map(({ path, content }) => [path, content]));
  const files = snapshot.files.map(({ path, content }) => ({ path, content: changed.get(path) ?? content }));
  const built = operator.deps.build({ ...snapshot, files });
  const context = { now: operator.deps.clock.now(), commit: snapshot.revision.sha };
  const issues = built.ok
    ? newRefusals(
        judged,
        { desired: built.desired, assessment: assess(built.desired, observed, context) },
        observed,
      )
    : built.issues;
  const prefix = dir === undefined ? prefixOf(config.git.path) : prefixInRepository(dir);
  const root = ({ path, content }: SourceFile) => ({ path: prefix + path, content });
  const originals = snapshot.files.map(root);
  const rooted = rewritten.files.map(root);
  return {
    files: rooted,
    patch: patchOf(new Map(originals.map(({ path, content }) => [path, content])), rooted),
    issues,
  };
}

/** `git apply` counts paths from the root of the repository, wherever it is run. */
function prefixInRepository(dir: string): string {
  const folder = resolve(dir);
  for (let root = folder; ; root = dirname(root)) {
    if (existsSync(join(root, '.git'))) return prefixOf(relative(root, folder).split(sep).join('/'));
    if (root === dirname(root)) return '';
  }
}

function prefixOf(path: string): string {
  return path === '' || path === '.' ? '' : `${path.replace(/\/$/, '')}/`;
}
