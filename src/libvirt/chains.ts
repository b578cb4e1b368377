import { type BitOptions, bitsOf } from './bits.ts';
import type { RpcConnection } from './connection.ts';
import type { CallOptions } from './pending-calls.ts';
import type { DomainRef } from './protocol/procedure.ts';

/** virDomainSnapshotCreateFlags. */
export const SNAPSHOT_FLAGS = {
  noMetadata: 4,
  diskOnly: 16,
  reuseExternal: 32,
  quiesce: 64,
  atomic: 128,
} as const;
/** virDomainBlockCommitFlags. */
const COMMIT_FLAGS = { active: 4 } as const;
/** virDomainBlockJobAbortFlags. */
const JOB_ABORT_FLAGS = { pivot: 2 } as const;

/** virDomainBlockJobType by number. */
const JOB_KINDS = ['unknown', 'pull', 'copy', 'commit', 'activeCommit', 'backup'] as const;
type JobKind = (typeof JOB_KINDS)[number];

/** A job on a disk; `ready`: all is copied, and what is written goes to both until it is ended. */
interface BlockJob {
  readonly kind: JobKind;
  readonly ready: boolean;
  readonly currentBytes: number;
  readonly endBytes: number;
}

/** Files between which a commit moves what was written: paths as the running domain shows them. */
interface CommitRange {
  readonly base: string;
  readonly top: string;
}

/** What can be done with the chain of files behind a disk, and with libvirt's own snapshots. */
export function chainCalls(rpc: RpcConnection) {
  return {
    /** Takes a snapshot as the XML says. With `reuseExternal` the files that the disks go on in are there already. */
    async snapshot(
      domain: DomainRef,
      xml: string,
      options: BitOptions<typeof SNAPSHOT_FLAGS> = {},
    ): Promise<void> {
      const args = { domain, xml, flags: bitsOf(SNAPSHOT_FLAGS, options) };
      await rpc.call('domainSnapshotCreateXml', args, options);
    },

    /** Names of the snapshots of which libvirt keeps a record: people's, for ours leave none. */
    async snapshotNames(domain: DomainRef, options?: CallOptions): Promise<readonly string[]> {
      const args = { domain, needResults: 1, flags: 0 };
      return (await rpc.call('domainListAllSnapshots', args, options)).snapshots.map(({ name }) => name);
    },

    /** Begins to move what `top` holds into `base`. With `active`, `top` is what the guest writes to: see `pivot`. */
    async commit(
      domain: DomainRef,
      { disk, base, top }: CommitRange & { readonly disk: string },
      options: BitOptions<typeof COMMIT_FLAGS> = {},
    ): Promise<void> {
      const args = { domain, disk, base, top, bandwidth: 0, flags: bitsOf(COMMIT_FLAGS, options) };
      await rpc.call('domainBlockCommit', args, options);
    },

    /** The job on that disk; undefined when there is none. */
    async job(domain: DomainRef, disk: string, options?: CallOptions): Promise<BlockJob | undefined> {
      const info = await rpc.call('domainGetBlockJobInfo', { domain, disk, flags: 0 }, options);
      if (!info.found) return undefined;
      // The daemon never tells equal numbers of a job that is not ready.
      const kind = JOB_KINDS[info.type] ?? 'unknown';
      return { kind, ready: info.current === info.end, currentBytes: info.current, endBytes: info.end };
    },

    /** Ends the job; with `pivot` the guest goes on in the file that it was committed into. */
    async endJob(
      domain: DomainRef,
      disk: string,
      options: BitOptions<typeof JOB_ABORT_FLAGS> = {},
    ): Promise<void> {
      const args = { domain, disk, flags: bitsOf(JOB_ABORT_FLAGS, options) };
      await rpc.call('domainBlockJobAbort', args, options);
    },
  };
}

export type Chains = ReturnType<typeof chainCalls>;
