import { Duplex } from 'node:stream';
import {
  encodePacket,
  type Packet,
  type PacketHeader,
  PacketSplitter,
  PROGRAM,
  STATUS,
  TYPE,
} from '../../src/libvirt/packet.ts';
import { remoteError } from '../../src/libvirt/protocol/procedure.ts';
import { type ArgsOf, type ProcedureName, procedureNamed, type ReplyOf } from '../../src/libvirt/protocol.ts';
import { type Codec, decode } from '../../src/libvirt/xdr.ts';

class End extends Duplex {
  other: End | undefined;
  #unread: (() => void) | undefined;

  override _read(): void {
    const unread = this.#unread;
    this.#unread = undefined;
    unread?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.other === undefined || this.other.destroyed || this.other.push(chunk)) done();
    else this.other.#unread = done;
  }

  override _final(done: () => void): void {
    this.other?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.other?.readableEnded === false && !this.other.destroyed) this.other.push(null);
    done(error);
  }
}

/** Two streams, each reading what the other writes, with backpressure. */
export function streamPair(): [Duplex, Duplex] {
  const near = new End();
  const far = new End();
  near.other = far;
  far.other = near;
  return [near, far];
}

/** The daemon's end of a connection: what came from the client, and ways to answer it. */
export class Peer {
  readonly stream: Duplex;
  readonly received: Packet[] = [];
  readonly #splitter = new PacketSplitter((packet) => this.#take(packet));
  #waiting: (() => void)[] = [];

  constructor(stream: Duplex) {
    this.stream = stream;
    stream.on('data', (chunk: Buffer) => this.#splitter.push(chunk));
    stream.on('end', () => stream.end());
  }

  /** The first `count` packets, once they are there. */
  async first(count: number): Promise<readonly Packet[]> {
    while (this.received.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.received.slice(0, count);
  }

  /** The packet at `index`, once it is there. */
  async packet(index: number): Promise<Packet> {
    const packet = (await this.first(index + 1))[index];
    if (packet === undefined) throw new Error(`no packet ${index}`);
    return packet;
  }

  reply<N extends ProcedureName>(name: N, serial: number, body: ReplyOf<N>): void {
    this.stream.write(replyBytes(name, serial, body));
  }

  refuse(name: ProcedureName, serial: number, code: number, message: string): void {
    const header = remoteHeader(TYPE.reply, procedureNamed(name).number, serial, STATUS.error);
    this.stream.write(encodePacket(header, remoteError, errorBody(code, message)));
  }

  /** A packet of an open stream. */
  streamPacket<T>(to: Packet, status: number, codec: Codec<T>, body: T): void {
    const header = remoteHeader(TYPE.stream, to.procedure, to.serial, status);
    this.stream.write(encodePacket(header, codec, body));
  }

  event<T>(number: number, codec: Codec<T>, body: T): void {
    this.stream.write(encodePacket(remoteHeader(TYPE.event, number, 0, STATUS.ok), codec, body));
  }

  #take(packet: Packet): void {
    this.received.push(packet);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}

export function replyBytes<N extends ProcedureName>(name: N, serial: number, body: ReplyOf<N>): Buffer {
  const { number, reply } = procedureNamed(name);
  return encodePacket(remoteHeader(TYPE.reply, number, serial, STATUS.ok), reply, body);
}

export function argsOf<N extends ProcedureName>(name: N, packet: Packet): ArgsOf<N> {
  return decode(procedureNamed(name).args, packet.body);
}

export function errorBody(code: number, message: string) {
  const nothing = { dom: undefined, str1: undefined, str2: undefined, str3: undefined, net: undefined };
  return { code, domain: 10, message, level: 2, int1: 0, int2: 0, ...nothing };
}

/** The header of a packet of the program that most calls are made in. */
export function remoteHeader(type: number, procedure: number, serial: number, status: number): PacketHeader {
  return { program: PROGRAM.remote, procedure, type, serial, status };
}
