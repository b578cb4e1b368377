import type { RpcConnection, StreamSink } from './connection.ts';
import { CallTimeoutError, type ConnectionClosedError, LibvirtError } from './errors.ts';
import { ProtocolError, STATUS, STREAM_CHUNK_MAX_BYTES } from './packet.ts';
import type { CallOptions } from './pending-calls.ts';
import { remoteError, type VolumeRef } from './protocol/procedure.ts';
import { within } from './within.ts';
import { decode } from './xdr.ts';

const STEP_TIMEOUT_MS = 30_000;

/** How much of a download may wait for its reader before the connection is read no further. */
const WAITING_MAX_BYTES = 4 * 1024 * 1024;

const EMPTY = Buffer.alloc(0);

/** For each step of a stream (a chunk, its end), not for the whole of it. */
export type StepOptions = CallOptions;

export interface VolumeRange {
  readonly volume: VolumeRef;
  readonly offsetBytes: number;
  /** 0 means up to the end. */
  readonly lengthBytes: number;
}

/** So many bytes of which nothing is stored; they read as zeros. */
export interface Hole {
  readonly holeBytes: number;
}

/** The next bytes of a volume. */
export type Extent = Buffer | Hole;

/** True for a hole, false for bytes. */
export function isHole(extent: Uint8Array | Hole): extent is Hole {
  return 'holeBytes' in extent;
}

/** How many bytes of a volume it is. */
export function lengthOf(extent: Uint8Array | Hole): number {
  return isHole(extent) ? extent.holeBytes : extent.length;
}

/** VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM, and the same of a download. */
const SPARSE_STREAM = 1;

type StreamProcedure = 'storageVolUpload' | 'storageVolDownload';

/** One open stream of libvirt: both directions, and the end that both sides agree on. */
class ByteStream implements StreamSink {
  readonly #rpc: RpcConnection;
  readonly #name: StreamProcedure;
  readonly #options: StepOptions;
  #serial = 0;
  #extents: Extent[] = [];
  #waitingBytes = 0;
  #release: (() => void) | undefined;
  #allReceived = false;
  #confirmed = false;
  #failure: Error | undefined;
  #changed: (() => void) | undefined;

  private constructor(rpc: RpcConnection, name: StreamProcedure, options: StepOptions) {
    this.#rpc = rpc;
    this.#name = name;
    this.#options = options;
  }

  static async open(
    rpc: RpcConnection,
    name: StreamProcedure,
    { range, flags }: { readonly range: VolumeRange; readonly flags: number },
    options: StepOptions = {},
  ): Promise<ByteStream> {
    const stream = new ByteStream(rpc, name, options);
    stream.#serial = await rpc.openStream(name, { ...range, flags }, stream, options);
    return stream;
  }

  packet(status: number, body: Buffer): void {
    if (status === STATUS.error) this.#failure ??= new LibvirtError(this.#name, decode(remoteError, body));
    else if (status === STATUS.ok) this.#confirmed = true;
    else if (body.length === 0) this.#allReceived = true;
    else this.#keep(body);
    this.#changed?.();
  }

  hole(lengthBytes: number): void {
    this.#extents.push({ holeBytes: lengthBytes });
    this.#changed?.();
  }

  closed(error: ConnectionClosedError): void {
    this.#failure ??= error;
    this.#changed?.();
  }

  /** Sends bytes, in packets of a size that every libvirt takes, or a hole; resolves when there is room for more. */
  async send(bytes: Uint8Array | Hole): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (isHole(bytes)) return this.#sendHole(bytes);
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < chunk.length; at += STREAM_CHUNK_MAX_BYTES) {
      if (this.#failure !== undefined) throw this.#failure;
      const piece = chunk.subarray(at, at + STREAM_CHUNK_MAX_BYTES);
      await this.#step(this.#rpc.sendStream(this.#serial, STATUS.continue, piece));
    }
  }

  /** The next bytes; undefined at the end. */
  async next(): Promise<Extent | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const extent = this.#extents.shift();
      if (extent !== undefined) {
        if (!isHole(extent)) this.#waitingBytes -= extent.length;
        if (this.#waitingBytes < WAITING_MAX_BYTES / 2) this.#letRead();
        return extent;
      }
      if (this.#allReceived) return undefined;
      await this.#change();
    }
  }

  /** Tells libvirt that this was all, and resolves when it says that all went well. */
  async finish(): Promise<void> {
    await this.#step(this.#rpc.sendStream(this.#serial, STATUS.ok, EMPTY));
    while (!this.#confirmed) {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#change();
    }
  }

  /** Lets go of the stream; tells libvirt to give up what is not finished. */
  close(): void {
    const unfinished = !this.#confirmed && this.#failure === undefined;
    // The connection may have broken by now, and then there is nobody to tell.
    if (unfinished) this.#rpc.sendStream(this.#serial, STATUS.error, EMPTY).catch(() => {});
    this.#rpc.closeStream(this.#serial);
    this.#letRead();
  }

  async #sendHole({ holeBytes }: Hole): Promise<void> {
    // libvirt 9.0 never comes to the end of a stream that had an empty one.
    if (holeBytes > 0) await this.#step(this.#rpc.sendHole(this.#serial, holeBytes));
  }

  #keep(body: Buffer): void {
    this.#extents.push(body);
    this.#waitingBytes += body.length;
    if (this.#waitingBytes >= WAITING_MAX_BYTES) this.#release ??= this.#rpc.holdReading();
  }

  #letRead(): void {
    this.#release?.();
    this.#release = undefined;
  }

  async #change(): Promise<void> {
    const changed = new Promise<void>((resolve) => {
      this.#changed = resolve;
    });
    await this.#step(changed);
  }

  #step(done: Promise<void>): Promise<void> {
    const { signal, timeoutMs = STEP_TIMEOUT_MS } = this.#options;
    return within(done, { signal, timeoutMs, late: () => new CallTimeoutError(this.#name, timeoutMs, true) });
  }
}

/** Writes `source` into the volume from an offset on. When it rejects, the volume holds some part of it. */
export function upload(
  rpc: RpcConnection,
  range: VolumeRange,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options?: StepOptions,
): Promise<void> {
  return send({ rpc, range, flags: 0 }, source, options);
}

/**
 * As upload, with holes in it. libvirt ends the file where a hole ends, and leaves what was in its place: a hole is only
 * right at the end of a file, not over something.
 */
export function uploadSparse(
  rpc: RpcConnection,
  range: VolumeRange,
  source: AsyncIterable<Uint8Array | Hole> | Iterable<Uint8Array | Hole>,
  options?: StepOptions,
): Promise<void> {
  return send({ rpc, range, flags: SPARSE_STREAM }, source, options);
}

/** The volume's bytes from an offset on. A reader that is slow holds up every call of this connection. */
export async function* download(
  rpc: RpcConnection,
  range: VolumeRange,
  options?: StepOptions,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const extent of receive({ rpc, range, flags: 0 }, options)) {
    if (isHole(extent)) throw new ProtocolError('a hole came in a stream that is not sparse');
    yield extent;
  }
}

/** As download, with holes in it where nothing is stored. */
export function downloadSparse(
  rpc: RpcConnection,
  range: VolumeRange,
  options?: StepOptions,
): AsyncGenerator<Extent, void, undefined> {
  return receive({ rpc, range, flags: SPARSE_STREAM }, options);
}

interface Opening {
  readonly rpc: RpcConnection;
  readonly range: VolumeRange;
  readonly flags: number;
}

async function send(
  { rpc, ...opening }: Opening,
  source: AsyncIterable<Uint8Array | Hole> | Iterable<Uint8Array | Hole>,
  options?: StepOptions,
): Promise<void> {
  const stream = await ByteStream.open(rpc, 'storageVolUpload', opening, options);
  try {
    for await (const extent of source) await stream.send(extent);
    await stream.finish();
  } finally {
    stream.close();
  }
}

async function* receive(
  { rpc, ...opening }: Opening,
  options?: StepOptions,
): AsyncGenerator<Extent, void, undefined> {
  const stream = await ByteStream.open(rpc, 'storageVolDownload', opening, options);
  try {
    for (let extent = await stream.next(); extent !== undefined; extent = await stream.next()) yield extent;
    await stream.finish();
  } finally {
    stream.close();
  }
}
