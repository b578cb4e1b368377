import { type BuildContext, type BuildResult, buildDesired } from '../core/build-desired.ts';
import { type ReadSources, withReadSources } from '../core/source-images.ts';
import type { Snapshot } from '../ports.ts';

/** What a commit asks for, or what is wrong with it. */
export type Builder = (snapshot: Snapshot) => BuildResult;

const KEPT = 2;

/**
 * Builds each commit once: most passes look at the same one, or at a refused one and the one in force. `sources`: what was
 * read of the disks of VMs, which grows.
 */
export function createBuilder(context: BuildContext, sources: ReadSources): Builder {
  const built = new Map<string, BuildResult>();
  return ({ revision: { sha }, files }) => {
    const result = built.get(sha) ?? buildDesired(files, context);
    built.delete(sha);
    built.set(sha, result);
    for (const old of [...built.keys()].slice(0, -KEPT)) built.delete(old);
    return result.ok ? { ok: true, desired: withReadSources(result.desired, sources) } : result;
  };
}
