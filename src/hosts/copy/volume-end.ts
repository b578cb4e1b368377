import { renderRawVolume } from '../../core/volume-xml.ts';
import { OperatorError } from '../../errors.ts';
import { type Extent, isHole } from '../../libvirt/byte-stream.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { fileBytes, versionOf } from '../images/checked-volumes.ts';
import { refreshPool } from '../refresh-pool.ts';
import { CLUSTER_MAX_BYTES, withBackingFile } from './qcow2-header.ts';

/** A volume on a host, over a connection to its libvirt. */
export interface VolumeEnd {
  readonly host: string;
  readonly client: Libvirt;
  readonly pool: string;
  readonly name: string;
}

/** Lends each end a connection of its own: bulk data would hold up whatever else is asked of the host. */
export async function withOwnConnections<T>(
  from: VolumeEnd,
  to: VolumeEnd,
  {
    signal,
    work,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly work: (from: VolumeEnd, to: VolumeEnd) => Promise<T>;
  },
): Promise<T> {
  const opened: Libvirt[] = [];
  const own = async (end: VolumeEnd): Promise<VolumeEnd> => {
    const client = await end.client.another({ ...(signal && { signal }) });
    opened.push(client);
    return { ...end, client };
  };
  try {
    return await work(await own(from), await own(to));
  } finally {
    await Promise.all(opened.map((client) => client.close()));
  }
}

/** From one byte to before another. */
export interface Span {
  readonly fromBytes: number;
  readonly toBytes: number;
}

type Volume = Awaited<ReturnType<Libvirt['volumes']['byName']>>;

/** A step of a stream waits for a disk that may be busy; a host that is gone shows by its connection. */
export const STREAM_STEP_MS = 120_000;

/** What is copied: the volume as it is, but for what is written into its header. */
export interface CopySource {
  readonly bytes: number;
  extents(span: Span, signal?: AbortSignal): AsyncIterable<Extent>;
  /** E_COPY when somebody wrote to the volume since it was opened. */
  requireUnchanged(): Promise<void>;
}

/** Opens the volume that is copied. With `backingFile` it is an overlay, and that is the file behind the copy. */
export async function openSource(end: VolumeEnd, backingFile?: string): Promise<CopySource> {
  const volume = await findVolume(end);
  if (volume === undefined) throw new OperatorError('E_COPY', `there is no volume ${labelOf(end)}`);
  const xml = await end.client.volumes.xml(volume);
  const bytes = fileBytes(xml);
  const head =
    backingFile === undefined ? Buffer.alloc(0) : await patchedHead(end, { volume, bytes, backingFile });
  return {
    bytes,
    async *extents({ fromBytes, toBytes }, signal) {
      if (fromBytes < head.length) yield head.subarray(fromBytes, toBytes);
      yield* read(end, volume, { fromBytes: Math.max(fromBytes, head.length), toBytes }, signal);
    },
    async requireUnchanged() {
      if (versionOf(await end.client.volumes.xml(volume)) === versionOf(xml)) return;
      throw new OperatorError('E_COPY', `${labelOf(end)} was written to while it was copied`);
    },
  };
}

/** What it becomes. */
export interface CopyTarget {
  readonly volume: Volume;
  readonly label: string;
  readonly volumes: Libvirt['volumes'];
  bytes(): Promise<number>;
  extents(span: Span, signal?: AbortSignal): AsyncIterable<Extent>;
  /** Lets libvirt see what it holds. */
  refresh(): Promise<void>;
}

/** Opens the volume that is written to; makes it, as an empty file, where there is none. */
export async function openTarget(end: VolumeEnd): Promise<CopyTarget> {
  const { volumes, pools } = end.client;
  const pool = await pools.byName(end.pool);
  await refreshPool(end.client, pool);
  const volume = (await findVolume(end)) ?? (await volumes.create(pool, renderRawVolume(end.name, 0)));
  return {
    volume,
    volumes,
    label: labelOf(end),
    bytes: async () => fileBytes(await volumes.xml(volume)),
    extents: (span, signal) => read(end, volume, span, signal),
    refresh: () => refreshPool(end.client, pool),
  };
}

/** `kvm-a:default/web-vda.qcow2` */
export function labelOf({ host, pool, name }: VolumeEnd): string {
  return `${host}:${pool}/${name}`;
}

async function findVolume({ client, pool, name }: VolumeEnd): Promise<Volume | undefined> {
  try {
    return await client.volumes.byName(await client.pools.byName(pool), name);
  } catch (error) {
    if (isLibvirtError(error, 'NO_STORAGE_VOL')) return undefined;
    throw error;
  }
}

async function patchedHead(
  end: VolumeEnd,
  {
    volume,
    bytes,
    backingFile,
  }: { readonly volume: Volume; readonly bytes: number; readonly backingFile: string },
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const toBytes = Math.min(bytes, CLUSTER_MAX_BYTES);
  for await (const extent of read(end, volume, { fromBytes: 0, toBytes }))
    chunks.push(isHole(extent) ? Buffer.alloc(extent.holeBytes) : extent);
  return withBackingFile(Buffer.concat(chunks), backingFile) ?? Buffer.alloc(0);
}

async function* read(
  { client }: VolumeEnd,
  volume: Volume,
  { fromBytes, toBytes }: Span,
  signal?: AbortSignal,
): AsyncGenerator<Extent, void, undefined> {
  // A length of 0 would be all that there is.
  if (fromBytes >= toBytes) return;
  const range = { volume, offsetBytes: fromBytes, lengthBytes: toBytes - fromBytes };
  yield* client.volumes.downloadSparse(range, { signal, timeoutMs: STREAM_STEP_MS });
}
