import { type Codec, nothing } from './xdr.ts';
import { XdrWriter } from './xdr-writer.ts';

/** The length word and the header behind it. */
const HEADER_BYTES = 28;

/** VIR_NET_MESSAGE_MAX: what libvirt itself accepts, the length word included. */
const PACKET_MAX_BYTES = 32 * 1024 * 1024;

/** A packet of a stream has no more. */
const COMMON_MAX_BYTES = 256 * 1024 + HEADER_BYTES;

/** VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX: the most that every libvirt takes in one stream packet. */
export const STREAM_CHUNK_MAX_BYTES = 262_120;

/** `qemu` is what only QEMU's driver can do, such as talking to a guest's agent; its procedures are numbered anew. */
export const PROGRAM = { remote: 0x20008086, qemu: 0x20008087, keepalive: 0x6b656570 } as const;
const PROGRAM_VERSION = 1;
export const KEEPALIVE = { ping: 1, pong: 2 } as const;
export const TYPE = { call: 0, reply: 1, event: 2, stream: 3, streamHole: 6 } as const;
export const STATUS = { ok: 0, error: 1, continue: 2 } as const;

/** All of a packet but its body. The version is always 1. */
export interface PacketHeader {
  readonly program: number;
  readonly procedure: number;
  readonly type: number;
  readonly serial: number;
  readonly status: number;
}

export interface Packet extends PacketHeader {
  readonly body: Buffer;
}

/** The header of a packet that opens or goes on with a call. */
export function callHeader(
  { program, number }: { readonly program: number; readonly number: number },
  rest: Pick<PacketHeader, 'type' | 'serial' | 'status'>,
): PacketHeader {
  return { program, procedure: number, ...rest };
}

/** The header of a ping or a pong. */
export function keepaliveHeader(procedure: number): PacketHeader {
  return { program: PROGRAM.keepalive, procedure, type: TYPE.event, serial: 0, status: STATUS.ok };
}

/** What came is not libvirt's RPC; the connection is of no use after that. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Appends a packet. When the body cannot be encoded the writer is left as it was, and the error is thrown. */
export function writePacket<T>(writer: XdrWriter, header: PacketHeader, codec: Codec<T>, body: T): void {
  const start = writer.length;
  try {
    writer.uint(0);
    writer.uint(header.program);
    writer.uint(PROGRAM_VERSION);
    writer.int(header.procedure);
    writer.uint(header.type);
    writer.uint(header.serial);
    writer.uint(header.status);
    codec.encode(writer, body);
    const length = writer.length - start;
    if (length > PACKET_MAX_BYTES)
      throw new ProtocolError(`a packet of ${length} bytes is over the limit of ${PACKET_MAX_BYTES}`);
    writer.patchUint(start, length);
  } catch (error) {
    writer.truncate(start);
    throw error;
  }
}

/** The beginning of a packet whose body of that length is sent behind it as it is. */
export function headOfPacket(header: PacketHeader, bodyBytes: number): Buffer {
  const writer = new XdrWriter();
  writePacket(writer, header, nothing, undefined);
  writer.patchUint(0, writer.length + bodyBytes);
  return writer.finish();
}

/** One packet as bytes. */
export function encodePacket<T>(header: PacketHeader, codec: Codec<T>, body: T): Buffer {
  const writer = new XdrWriter();
  writePacket(writer, header, codec, body);
  return writer.finish();
}

/** Cuts a byte stream into packets. Holds at most one packet, and no more memory than twice what has come of it, or than a packet of a stream. */
export class PacketSplitter {
  readonly #onPacket: (packet: Packet) => void;
  /** The beginning of a packet whose end has not come; its first `#held` bytes are filled. */
  #partial = Buffer.alloc(0);
  #held = 0;

  constructor(onPacket: (packet: Packet) => void) {
    this.#onPacket = onPacket;
  }

  /** True in the middle of a packet. */
  get midPacket(): boolean {
    return this.#held > 0;
  }

  /** Takes the next bytes and hands on every packet that they complete; throws ProtocolError on what is no packet. */
  push(chunk: Buffer): void {
    let at = this.#held > 0 ? this.#complete(chunk) : 0;
    while (chunk.length - at >= 4) {
      const length = checkedLength(chunk, at);
      if (chunk.length - at < length) break;
      this.#onPacket(parsePacket(chunk.subarray(at, at + length)));
      at += length;
    }
    if (at < chunk.length)
      this.#hold(chunk.subarray(at), chunk.length - at >= 4 ? checkedLength(chunk, at) : 0);
  }

  /** Feeds the packet that is held; returns how much of the chunk it took. */
  #complete(chunk: Buffer): number {
    let at = 0;
    if (this.#held < 4) {
      at = Math.min(4 - this.#held, chunk.length);
      this.#hold(chunk.subarray(0, at));
      if (this.#held < 4) return at;
    }
    const length = checkedLength(this.#partial, 0);
    const wanted = Math.min(length - this.#held, chunk.length - at);
    this.#hold(chunk.subarray(at, at + wanted), length);
    if (this.#held === length) {
      const packet = this.#partial.subarray(0, length);
      this.#partial = Buffer.alloc(0);
      this.#held = 0;
      this.#onPacket(parsePacket(packet));
    }
    return at + wanted;
  }

  /** Room for a packet of a stream is made at once; for more only as it comes. */
  #hold(bytes: Buffer, expected = 0): void {
    const held = this.#held + bytes.length;
    if (held > this.#partial.length) {
      const room = expected <= COMMON_MAX_BYTES ? expected : 2 * this.#held;
      const larger = Buffer.allocUnsafeSlow(Math.max(held, room));
      this.#partial.copy(larger, 0, 0, this.#held);
      this.#partial = larger;
    }
    bytes.copy(this.#partial, this.#held);
    this.#held = held;
  }
}

function checkedLength(bytes: Buffer, at: number): number {
  const length = bytes.readUInt32BE(at);
  if (length >= HEADER_BYTES && length <= PACKET_MAX_BYTES) return length;
  throw new ProtocolError(`a packet cannot be ${length} bytes long${preview(bytes.subarray(at))}`);
}

/** A shell's complaint where packets should be says what is wrong; show it. */
function preview(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, 200).trim();
  return /^[\t\n\r\x20-\x7e]{4,}$/.test(text) ? `; the peer sent text: '${text}'` : '';
}

function parsePacket(bytes: Buffer): Packet {
  const version = bytes.readUInt32BE(8);
  if (version !== PROGRAM_VERSION)
    throw new ProtocolError(`a packet has version ${version} instead of ${PROGRAM_VERSION}`);
  return {
    program: bytes.readUInt32BE(4),
    procedure: bytes.readInt32BE(12),
    type: bytes.readUInt32BE(16),
    serial: bytes.readUInt32BE(20),
    status: bytes.readUInt32BE(24),
    body: bytes.subarray(HEADER_BYTES),
  };
}
