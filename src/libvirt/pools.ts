import { type BitOptions, filterBitsOf } from './bits.ts';
import type { RpcConnection } from './connection.ts';
import type { CallOptions } from './pending-calls.ts';
import type { PoolRef, VolumeRef } from './protocol/procedure.ts';

/** virStoragePoolState by number. */
export const POOL_STATES = ['inactive', 'building', 'running', 'degraded', 'inaccessible'] as const;
type PoolState = (typeof POOL_STATES)[number];

/** virConnectListAllStoragePoolsFlags. */
export const POOL_FILTER = { active: [2, 1], persistent: [4, 8], autostart: [16, 32] } as const;
const XML_INACTIVE = 1;

export interface PoolInfo {
  readonly state: PoolState;
  readonly capacityBytes: number;
  readonly allocationBytes: number;
  readonly availableBytes: number;
}

/** What can be done with storage pools. */
export function poolCalls(rpc: RpcConnection) {
  return {
    /** Every pool that passes the filter; all of them without one. */
    async list(options: BitOptions<typeof POOL_FILTER> = {}): Promise<readonly PoolRef[]> {
      const args = { needResults: 1, flags: filterBitsOf(POOL_FILTER, options) };
      return (await rpc.call('connectListAllStoragePools', args, options)).pools;
    },

    /** Rejects with NO_STORAGE_POOL when there is none. */
    async byName(name: string, options?: CallOptions): Promise<PoolRef> {
      return (await rpc.call('storagePoolLookupByName', { name }, options)).pool;
    },

    /** Rejects with NO_STORAGE_POOL when there is none. */
    async byUuid(uuid: string, options?: CallOptions): Promise<PoolRef> {
      return (await rpc.call('storagePoolLookupByUuid', { uuid }, options)).pool;
    },

    /** As of the pool's last refresh; all sizes are 0 while it is inactive. */
    async info(pool: PoolRef, options?: CallOptions): Promise<PoolInfo> {
      const { state, ...sizes } = await rpc.call('storagePoolGetInfo', { pool }, options);
      return { ...sizes, state: POOL_STATES[state] ?? 'inaccessible' };
    },

    async xml(pool: PoolRef, options: CallOptions & { readonly inactive?: boolean } = {}): Promise<string> {
      const args = { pool, flags: options.inactive === true ? XML_INACTIVE : 0 };
      return (await rpc.call('storagePoolGetXmlDesc', args, options)).xml;
    },

    async isActive(pool: PoolRef, options?: CallOptions): Promise<boolean> {
      return (await rpc.call('storagePoolIsActive', { pool }, options)).active;
    },

    /** Makes libvirt look at the pool's files again. Refused while a volume is being made in it. */
    async refresh(pool: PoolRef, options?: CallOptions): Promise<void> {
      await rpc.call('storagePoolRefresh', { pool, flags: 0 }, options);
    },

    async define(xml: string, options?: CallOptions): Promise<PoolRef> {
      return (await rpc.call('storagePoolDefineXml', { xml, flags: 0 }, options)).pool;
    },

    /** Makes what the pool stands on: for a directory pool, the directory. */
    async build(pool: PoolRef, options?: CallOptions): Promise<void> {
      await rpc.call('storagePoolBuild', { pool, flags: 0 }, options);
    },

    /** Makes a defined pool active. */
    async start(pool: PoolRef, options?: CallOptions): Promise<void> {
      await rpc.call('storagePoolCreate', { pool, flags: 0 }, options);
    },

    /** Makes the pool inactive. What is in it stays. */
    async stop(pool: PoolRef, options?: CallOptions): Promise<void> {
      await rpc.call('storagePoolDestroy', { pool }, options);
    },

    /** Removes the definition of an inactive pool. What is in it stays. */
    async undefine(pool: PoolRef, options?: CallOptions): Promise<void> {
      await rpc.call('storagePoolUndefine', { pool }, options);
    },

    async autostart(pool: PoolRef, options?: CallOptions): Promise<boolean> {
      return (await rpc.call('storagePoolGetAutostart', { pool }, options)).autostart;
    },

    async setAutostart(pool: PoolRef, autostart: boolean, options?: CallOptions): Promise<void> {
      await rpc.call('storagePoolSetAutostart', { pool, autostart }, options);
    },

    /** Every volume that libvirt knows of in an active pool. */
    async volumes(pool: PoolRef, options?: CallOptions): Promise<readonly VolumeRef[]> {
      return (await rpc.call('storagePoolListAllVolumes', { pool, needResults: 1, flags: 0 }, options))
        .volumes;
    },
  };
}

export type Pools = ReturnType<typeof poolCalls>;
