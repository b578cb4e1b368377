import type { BuildResult } from '../../src/core/build-desired.ts';
import type { DesiredState } from '../../src/core/desired.ts';
import type { Issue } from '../../src/core/issue.ts';
import type { Snapshot, Source } from '../../src/ports.ts';
import type { Builder } from '../../src/reconcile/builder.ts';
import { revision } from '../builders.ts';

/** A branch in memory. A commit is what building it gives. */
export interface FakeSource extends Source {
  readonly build: Builder;
  commit(sha: string, content: DesiredState | readonly Issue[]): void;
  /** The commit in force. */
  readonly inForce: string | undefined;
  fetchError?: Error | undefined;
}

export function fakeSource(): FakeSource {
  const commits = new Map<string, BuildResult>();
  let inForce: string | undefined;
  const snapshot = (sha: string): Snapshot => ({ revision: revision(sha), files: [], skipped: [] });
  const fake: FakeSource = {
    get inForce() {
      return inForce;
    },
    commit: (sha, content) => {
      commits.set(sha, 'vms' in content ? { ok: true, desired: content } : { ok: false, issues: content });
    },
    build: ({ revision: { sha } }) => {
      const built = commits.get(sha);
      if (built === undefined) throw new Error(`no commit ${sha}`);
      return built;
    },
    fetch: async () => {
      if (fake.fetchError !== undefined) throw fake.fetchError;
      const head = [...commits.keys()].at(-1);
      if (head === undefined) throw new Error('the branch has no commit');
      return snapshot(head);
    },
    accepted: async () => (inForce === undefined ? undefined : snapshot(inForce)),
    accept: async (sha) => {
      inForce = sha;
    },
    between: async (from, to) => {
      const shas = [...commits.keys()];
      return shas.slice(shas.indexOf(from) + 1, shas.indexOf(to)).map((sha) => revision(sha));
    },
  };
  return fake;
}
