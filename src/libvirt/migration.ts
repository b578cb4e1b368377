import { type BitOptions, bitsOf } from './bits.ts';
import type { RpcConnection } from './connection.ts';
import type { CallOptions } from './pending-calls.ts';
import type { DomainRef } from './protocol/procedure.ts';
import type { TypedParamList, TypedParams } from './typed-params.ts';

/** virDomainMigrateFlags. */
export const MIGRATE_FLAGS = {
  live: 1,
  persistDest: 8,
  changeProtection: 0x100,
  /** Copies the disks too, into volumes that are there already; what their backing files hold stays as it is. */
  nonSharedInc: 0x80,
  abortOnError: 0x1000,
  autoConverge: 0x2000,
} as const;
type MigrateOptions = BitOptions<typeof MIGRATE_FLAGS>;

/** What one phase hands to the next: bytes that only the daemons read. */
export type Cookie = Buffer;

/** What a phase works with. The names are libvirt's: `destination_xml`, `migrate_uri`, `migrate_disks` (once per disk). */
interface Phase {
  readonly params: TypedParamList;
  readonly cookie: Cookie;
}
interface LastPhase extends Phase {
  /** The migration has failed: the target's process goes, the source's goes on. */
  readonly cancelled: boolean;
}

/** No time limit: memory and disks are copied while the call runs. */
const AS_LONG_AS_IT_TAKES = Number.POSITIVE_INFINITY;

/**
 * The phases of libvirt's migration (version 3), for who is connected to both hosts and calls them in turn: begin on the
 * source, prepare on the target, perform on the source, finish on the target, confirm on the source. A daemon undoes its
 * part when the connection that it was called on is closed.
 */
export function migrationCalls(rpc: RpcConnection) {
  return {
    /** On the source: the definition that the target is to be prepared with. */
    async begin(
      domain: DomainRef,
      params: TypedParamList,
      options: MigrateOptions = {},
    ): Promise<{ readonly xml: string; readonly cookie: Cookie }> {
      const args = { domain, params, flags: bitsOf(MIGRATE_FLAGS, options) };
      return rpc.call('domainMigrateBegin3Params', args, options);
    },

    /** On the target: starts a process that waits for the guest; `uri` says where. */
    async prepare(
      { params, cookie }: Phase,
      options: MigrateOptions = {},
    ): Promise<{ readonly uri: string | undefined; readonly cookie: Cookie }> {
      const args = { params, cookie, flags: bitsOf(MIGRATE_FLAGS, options) };
      return rpc.call('domainMigratePrepare3Params', args, options);
    },

    /** On the source: sends disks and memory; resolves when all is sent and the source's process is paused. */
    async perform(
      domain: DomainRef,
      { params, cookie }: Phase,
      options: MigrateOptions = {},
    ): Promise<Cookie> {
      const args = { domain, daemonUri: undefined, params, cookie, flags: bitsOf(MIGRATE_FLAGS, options) };
      const limits = { timeoutMs: AS_LONG_AS_IT_TAKES, ...options };
      return (await rpc.call('domainMigratePerform3Params', args, limits)).cookie;
    },

    /** On the target: lets the guest run there. Rejects when it does not, and always when `cancelled`. */
    async finish({ cancelled, ...phase }: LastPhase, options: MigrateOptions = {}): Promise<Cookie> {
      const args = { ...phase, flags: bitsOf(MIGRATE_FLAGS, options), cancelled: cancelled ? 1 : 0 };
      return (await rpc.call('domainMigrateFinish3Params', args, options)).cookie;
    },

    /** On the source: ends its process, or with `cancelled` lets the guest go on there. */
    async confirm(
      domain: DomainRef,
      { cancelled, ...phase }: LastPhase,
      options: MigrateOptions = {},
    ): Promise<void> {
      const args = { domain, ...phase, flags: bitsOf(MIGRATE_FLAGS, options), cancelled: cancelled ? 1 : 0 };
      await rpc.call('domainMigrateConfirm3Params', args, options);
    },

    /** How far the job is, by libvirt's names: `data_total`, `data_processed`, `data_remaining`, all in bytes. */
    async jobStats(domain: DomainRef, options?: CallOptions): Promise<TypedParams> {
      return (await rpc.call('domainGetJobStats', { domain, flags: 0 }, options)).params;
    },

    /** Has a running `perform` reject. */
    async abortJob(domain: DomainRef, options?: CallOptions): Promise<void> {
      await rpc.call('domainAbortJob', { domain }, options);
    },
  };
}

export type Migration = ReturnType<typeof migrationCalls>;
