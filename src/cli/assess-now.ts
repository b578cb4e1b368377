import { type Assessment, assess } from '../core/assess.ts';
import { buildDesired } from '../core/build-desired.ts';
import type { DesiredState } from '../core/desired.ts';
import type { Issue } from '../core/issue.ts';
import type { ObservedState } from '../core/observed.ts';
import { readFolder } from '../git/folder.ts';
import type { Operator } from '../operator.ts';
import type { SourceFile } from '../ports.ts';
import { questionFor } from '../reconcile/reconcile.ts';

/** Which manifests a command looks at: a folder, a revision, or else the newest commit of the branch. */
export interface Choice {
  readonly dir?: string | undefined;
  readonly revision?: string | undefined;
}

export type Judged =
  | { readonly ok: false; readonly title: string; readonly issues: readonly Issue[] }
  | {
      readonly ok: true;
      readonly title: string;
      readonly desired: DesiredState;
      readonly observed: ObservedState;
      readonly assessment: Assessment;
    };

/** Reads manifests, asks the hosts, and judges as a pass would; changes nothing. */
export async function assessNow(
  { deps, mirror }: Operator,
  choice: Choice,
  signal: AbortSignal,
): Promise<Judged> {
  const { title, files, commit } = await readChoice(mirror, choice, signal);
  const built = buildDesired(files, deps.build);
  if (!built.ok) return { ok: false, title, issues: built.issues };
  const { desired } = built;
  const observed = await deps.hosts.observe(questionFor(desired), signal);
  const assessment = assess(desired, observed, { now: deps.clock.now(), commit });
  return { ok: true, title, desired, observed, assessment };
}

async function readChoice(
  mirror: Operator['mirror'],
  { dir, revision }: Choice,
  signal: AbortSignal,
): Promise<{ title: string; files: readonly SourceFile[]; commit: string }> {
  if (dir !== undefined) return { title: dir, files: (await readFolder(dir)).files, commit: 'working-copy' };
  const snapshot = revision === undefined ? await mirror.fetch(signal) : await mirror.read(revision, signal);
  const { sha, subject } = snapshot.revision;
  return { title: `${sha.slice(0, 12)} ${subject}`, files: snapshot.files, commit: sha };
}
