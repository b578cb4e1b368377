import type { RpcConnection, StreamSink } from './connection.ts';
import { CallTimeoutError, type ConnectionClosedError, LibvirtError } from './errors.ts';
import { STATUS, STREAM_CHUNK_MAX_BYTES } from './packet.ts';
import type { CallOptions } from './pending-calls.ts';
import { remoteError, type VolumeRef } from './protocol/procedure.ts';
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

type StreamProcedure = 'storageVolUpload' | 'storageVolDownload';

/** One open stream of libvirt: both directions, and the end that both sides agree on. */
class ByteStream implements StreamSink {
  readonly #rpc: RpcConnection;
  readonly #name: StreamProcedure;
  readonly #options: StepOptions;
  #serial = 0;
  #chunks: Buffer[] = [];
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
    range: VolumeRange,
    options: StepOptions = {},
  ): Promise<ByteStream> {
    const stream = new ByteStream(rpc, name, options);
    stream.#serial = await rpc.openStream(name, { ...range, flags: 0 }, stream, options);
    return stream;
  }

  packet(status: number, body: Buffer): void {
    if (status === STATUS.error) this.#failure ??= new LibvirtError(this.#name, decode(remoteError, body));
    else if (status === STATUS.ok) this.#confirmed = true;
    else if (body.length === 0) this.#allReceived = true;
    else this.#keep(body);
    this.#changed?.();
  }

  closed(error: ConnectionClosedError): void {
    this.#failure ??= error;
    this.#changed?.();
  }

  /** Sends bytes, in packets of a size that every libvirt takes; resolves when there is room for more. */
  async send(bytes: Uint8Array): Promise<void> {
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at < chunk.length; at += STREAM_CHUNK_MAX_BYTES) {
      if (this.#failure !== undefined) throw this.#failure;
      const piece = chunk.subarray(at, at + STREAM_CHUNK_MAX_BYTES);
      await this.#step(this.#rpc.sendStream(this.#serial, STATUS.continue, piece));
    }
  }

  /** The next bytes; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#waitingBytes -= chunk.length;
        if (this.#waitingBytes < WAITING_MAX_BYTES / 2) this.#letRead();
        return chunk;
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

  #keep(body: Buffer): void {
    this.#chunks.push(body);
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
    return within(done, { signal, timeoutMs, late: new CallTimeoutError(this.#name, timeoutMs, true) });
  }
}

interface Limits {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** What it rejects with when the time is up. */
  readonly late: Error;
}

/** Waits for a promise no longer than the limits allow. */
function within(done: Promise<void>, { signal, timeoutMs, late }: Limits): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal?.reason);
    const timer = Number.isFinite(timeoutMs) ? setTimeout(() => reject(late), timeoutMs) : undefined;
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort);
    const settled = done.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    });
    settled.then(resolve, reject);
  });
}

/** Writes `source` into the volume from an offset on. When it rejects, the volume holds some part of it. */
export async function upload(
  rpc: RpcConnection,
  range: VolumeRange,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options?: StepOptions,
): Promise<void> {
  const stream = await ByteStream.open(rpc, 'storageVolUpload', range, options);
  try {
    for await (const chunk of source) await stream.send(chunk);
    await stream.finish();
  } finally {
    stream.close();
  }
}

/** The volume's bytes from an offset on. A reader that is slow holds up every call of this connection. */
export async function* download(
  rpc: RpcConnection,
  range: VolumeRange,
  options?: StepOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const stream = await ByteStream.open(rpc, 'storageVolDownload', range, options);
  try {
    for (let chunk = await stream.next(); chunk !== undefined; chunk = await stream.next()) yield chunk;
    await stream.finish();
  } finally {
    stream.close();
  }
}
