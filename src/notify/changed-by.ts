import type { DesiredVm } from '../core/desired.ts';
import type { Revision } from '../core/report.ts';
import { vmChange } from '../core/vm-history.ts';

/** The manifests as they were. */
export interface History {
  /** First-parent commits that touch manifests, from that one on back, newest first; `limit` of them at most. */
  commits(sha: string, limit: number, signal: AbortSignal): Promise<readonly Revision[]>;
  /** What git asked for then; undefined: the commit is not valid. */
  vmsAt(sha: string, signal: AbortSignal): Promise<ReadonlyMap<string, DesiredVm> | undefined>;
}

export type FindChangedBy = (
  sha: string,
  vms: readonly string[],
  signal: AbortSignal,
) => Promise<ReadonlyMap<string, Revision>>;

/** Each commit is read and built: who changed a VM longer ago is not named. */
const MAX_COMMITS = 50;

/**
 * Finds, seen from a commit, which one changed each VM last. A commit that is not valid says nothing, and its change counts
 * for the next one that is. What was found for a commit is remembered, and serves for its successors.
 */
export function createChangedBy(history: History): FindChangedBy {
  let known: { readonly sha: string; readonly vms: ReadonlyMap<string, Revision> } | undefined;
  return async (sha, vms, signal) => {
    const before = known?.sha === sha ? known.vms : new Map<string, Revision>();
    const missing = vms.filter((vm) => !before.has(vm));
    if (missing.length === 0) return before;
    const found = await walk(history, { sha, vms: missing, known }, signal);
    const all = new Map([...before, ...found]);
    known = { sha, vms: all };
    return all;
  };
}

interface Walk {
  readonly sha: string;
  readonly vms: readonly string[];
  readonly known: { readonly sha: string; readonly vms: ReadonlyMap<string, Revision> } | undefined;
}

async function walk(history: History, { sha, vms, known }: Walk, signal: AbortSignal) {
  const found = new Map<string, Revision>();
  const open = new Set(vms);
  const settle = (vm: string, revision: Revision) => {
    found.set(vm, revision);
    open.delete(vm);
  };
  const commits = await history.commits(sha, MAX_COMMITS, signal);
  let newer: { readonly revision: Revision; readonly vms: ReadonlyMap<string, DesiredVm> } | undefined;
  for (const revision of commits) {
    if (open.size === 0) break;
    const here = await history.vmsAt(revision.sha, signal);
    if (here === undefined) continue;
    for (const vm of newer === undefined ? [] : open)
      if (newer !== undefined && vmChange(here.get(vm), newer.vms.get(vm)) !== undefined)
        settle(vm, newer.revision);
    if (revision.sha === known?.sha)
      for (const [vm, before] of known.vms) if (open.has(vm)) settle(vm, before);
    newer = { revision, vms: here };
  }
  // The first commit of all made what it has.
  if (commits.length < MAX_COMMITS && newer !== undefined)
    for (const vm of open) if (newer.vms.has(vm)) found.set(vm, newer.revision);
  return found;
}
