import { type BitOptions, bitsOf } from './bits.ts';
import {
  download,
  downloadSparse,
  type Extent,
  type Hole,
  type StepOptions,
  upload,
  uploadSparse,
  type VolumeRange,
} from './byte-stream.ts';
import type { RpcConnection } from './connection.ts';
import type { CallOptions } from './pending-calls.ts';
import type { PoolRef, VolumeRef } from './protocol/procedure.ts';

/** virStorageVolType by number. */
const VOLUME_TYPES = ['file', 'block', 'dir', 'network', 'netdir', 'ploop'] as const;
type VolumeType = (typeof VOLUME_TYPES)[number];

/** virStorageVolCreateFlags. */
export const CREATE_FLAGS = { preallocMetadata: 1, reflink: 2 } as const;
/** virStorageVolResizeFlags. */
export const RESIZE_FLAGS = { allocate: 1, delta: 2, shrink: 4 } as const;

export interface VolumeInfo {
  readonly type: VolumeType;
  readonly capacityBytes: number;
  readonly allocationBytes: number;
}

/** What can be done with storage volumes. */
export function volumeCalls(rpc: RpcConnection) {
  return {
    /** Rejects with NO_STORAGE_VOL when the pool, as last refreshed, has none. */
    async byName(pool: PoolRef, name: string, options?: CallOptions): Promise<VolumeRef> {
      return (await rpc.call('storageVolLookupByName', { pool, name }, options)).volume;
    },

    /** Rejects with NO_STORAGE_VOL when no active pool has it. */
    async byPath(path: string, options?: CallOptions): Promise<VolumeRef> {
      return (await rpc.call('storageVolLookupByPath', { path }, options)).volume;
    },

    async info(volume: VolumeRef, options?: CallOptions): Promise<VolumeInfo> {
      const { type, ...sizes } = await rpc.call('storageVolGetInfo', { volume }, options);
      return { ...sizes, type: VOLUME_TYPES[type] ?? 'file' };
    },

    async xml(volume: VolumeRef, options?: CallOptions): Promise<string> {
      return (await rpc.call('storageVolGetXmlDesc', { volume, flags: 0 }, options)).xml;
    },

    async path(volume: VolumeRef, options?: CallOptions): Promise<string> {
      return (await rpc.call('storageVolGetPath', { volume }, options)).path;
    },

    /** Rejects with STORAGE_VOL_EXIST when the name is taken. */
    async create(
      pool: PoolRef,
      xml: string,
      options: BitOptions<typeof CREATE_FLAGS> = {},
    ): Promise<VolumeRef> {
      const args = { pool, xml, flags: bitsOf(CREATE_FLAGS, options) };
      return (await rpc.call('storageVolCreateXml', args, options)).volume;
    },

    /** A new volume with the content of `source`. Takes as long as the copy: give it a timeout to match. */
    async clone(
      source: VolumeRef,
      target: { readonly pool: PoolRef; readonly xml: string },
      options: BitOptions<typeof CREATE_FLAGS> = {},
    ): Promise<VolumeRef> {
      const args = { ...target, source, flags: bitsOf(CREATE_FLAGS, options) };
      return (await rpc.call('storageVolCreateXmlFrom', args, options)).volume;
    },

    /** Removes the volume and its content for good. */
    async delete(volume: VolumeRef, options?: CallOptions): Promise<void> {
      await rpc.call('storageVolDelete', { volume, flags: 0 }, options);
    },

    /** A smaller capacity is refused without `shrink`; with `delta` the number is added to what there is. */
    async resize(
      volume: VolumeRef,
      capacityBytes: number,
      options: BitOptions<typeof RESIZE_FLAGS> = {},
    ): Promise<void> {
      await rpc.call(
        'storageVolResize',
        { volume, capacityBytes, flags: bitsOf(RESIZE_FLAGS, options) },
        options,
      );
    },

    /** Writes `source` into the volume. When it rejects, the volume holds some part of it. */
    upload(
      range: VolumeRange,
      source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
      options?: StepOptions,
    ): Promise<void> {
      return upload(rpc, range, source, options);
    },

    /** The volume's bytes. A reader that is slow holds up every other call of this connection. */
    download(range: VolumeRange, options?: StepOptions): AsyncGenerator<Buffer, void, undefined> {
      return download(rpc, range, options);
    },

    /**
     * As `upload`, with holes. A hole ends the file at its end, and what was in its place stays: it is only right where
     * the file has no more.
     */
    uploadSparse(
      range: VolumeRange,
      source: AsyncIterable<Uint8Array | Hole> | Iterable<Uint8Array | Hole>,
      options?: StepOptions,
    ): Promise<void> {
      return uploadSparse(rpc, range, source, options);
    },

    /** As `download`, with holes where nothing is stored. */
    downloadSparse(range: VolumeRange, options?: StepOptions): AsyncGenerator<Extent, void, undefined> {
      return downloadSparse(rpc, range, options);
    },
  };
}

export type Volumes = ReturnType<typeof volumeCalls>;
