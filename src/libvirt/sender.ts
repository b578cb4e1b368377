import type { Duplex } from 'node:stream';
import { headOfPacket, keepaliveHeader, type PacketHeader, writePacket } from './packet.ts';
import type { PendingCalls } from './pending-calls.ts';
import { nothing } from './xdr.ts';
import { XdrWriter } from './xdr-writer.ts';

/** Calls made in one turn of the event loop go out together, in writes of about this size. */
const BATCH_BYTES = 64 * 1024;

/** The way out: encodes calls only when the stream has room for them, so what waits in it stays small. */
export class Sender {
  readonly #stream: Duplex;
  readonly #calls: PendingCalls;
  /** Pings and pongs that wait for room; one of each is enough. */
  readonly #keepaliveDue = new Set<number>();
  #waiting: (() => void)[] = [];
  #flushAsked = false;
  #stopped = false;

  constructor(stream: Duplex, calls: PendingCalls) {
    this.#stream = stream;
    this.#calls = calls;
    stream.on('drain', () => this.#flush());
  }

  /** There are calls to send. */
  wake(): void {
    if (this.#flushAsked) return;
    this.#flushAsked = true;
    process.nextTick(() => this.#flush());
  }

  /** Sends a ping or a pong as soon as there is room. */
  keepalive(procedure: number): void {
    this.#keepaliveDue.add(procedure);
    this.#flush();
  }

  /** Sends a packet of a stream at once; resolves when there is room for more, or the sender has stopped. */
  async streamPacket(header: PacketHeader, payload: Buffer): Promise<void> {
    this.#stream.write(headOfPacket(header, payload.length));
    // Not copied behind its header: most of what is ever sent are disks.
    if (payload.length > 0) this.#stream.write(payload);
    if (!this.#stream.writableNeedDrain) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Sends nothing more, and keeps nobody waiting. */
  stop(): void {
    this.#stopped = true;
    this.#resume();
  }

  #flush(): void {
    this.#flushAsked = false;
    while (!this.#stopped && !this.#stream.writableNeedDrain) {
      const batch = this.#nextBatch();
      if (batch.length === 0) {
        this.#resume();
        return;
      }
      this.#stream.write(batch);
    }
  }

  #nextBatch(): Buffer {
    const writer = new XdrWriter();
    for (const procedure of this.#keepaliveDue)
      writePacket(writer, keepaliveHeader(procedure), nothing, undefined);
    this.#keepaliveDue.clear();
    this.#calls.writeNext(writer, BATCH_BYTES);
    return writer.finish();
  }

  #resume(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}
