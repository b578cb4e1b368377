import type { BuildResult } from '../../src/core/build-desired.ts';
import type { DesiredState } from '../../src/core/desired.ts';
import type { Issue } from '../../src/core/issue.ts';
import type { Snapshot, Source } from '../../src/ports.ts';
import type { Builder } from '../../src/reconcile/builder.ts';
import { MARK_COMMIT, revision } from '../builders.ts';

/** A branch in memory. A commit is what building it gives. */
export interface FakeSource extends Source {
  readonly build: Builder;
  commit(sha: string, content: DesiredState | readonly Issue[]): void;
  /** Forces the branch back to a commit of it; the next one is made on top of that. */
  rewind(to: string): void;
  /** The commit in force; a test may lose it. */
  inForce: string | undefined;
  fetchError?: Error | undefined;
  /** What is wrong with the signatures since a commit. */
  distrust: Source['distrust'];
}

export function fakeSource(): FakeSource {
  const commits = new Map<string, BuildResult>();
  /** The branch, oldest first. */
  let branch: string[] = [];
  const snapshot = (sha: string): Snapshot => ({ revision: revision(sha), files: [], skipped: [] });
  const fake: FakeSource = {
    inForce: undefined,
    distrust: async () => undefined,
    commit: (sha, content) => {
      commits.set(sha, 'vms' in content ? { ok: true, desired: content } : { ok: false, issues: content });
      branch.push(sha);
    },
    rewind: (to) => {
      branch = branch.slice(0, branch.indexOf(to) + 1);
    },
    build: ({ revision: { sha } }) => {
      const built = commits.get(sha);
      if (built === undefined) throw new Error(`no commit ${sha}`);
      return built;
    },
    fetch: async () => {
      if (fake.fetchError !== undefined) throw fake.fetchError;
      const head = branch.at(-1);
      if (head === undefined) throw new Error('the branch has no commit');
      return snapshot(head);
    },
    accepted: async () => (fake.inForce === undefined ? undefined : snapshot(fake.inForce)),
    accept: async (sha) => {
      fake.inForce = sha;
    },
    between: async (from, to) =>
      branch.slice(branch.indexOf(from) + 1, branch.indexOf(to)).map((sha) => revision(sha)),
    notIn: async (sha, all) => {
      const history = new Set([MARK_COMMIT, ...branch.slice(0, branch.indexOf(sha) + 1)]);
      return all.filter((one) => !history.has(one));
    },
  };
  return fake;
}
