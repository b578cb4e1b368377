import type { Duplex } from 'node:stream';
import { ConnectionClosedError, LibvirtError } from './errors.ts';
import { CALLS_THAT_MAY_SILENCE_DAEMON, Keepalive, type KeepaliveOptions } from './keepalive.ts';
import {
  callHeader,
  KEEPALIVE,
  type Packet,
  PacketSplitter,
  PROGRAM,
  ProtocolError,
  STATUS,
  TYPE,
  writePacket,
} from './packet.ts';
import { type CallOptions, closedError, type PendingCall, PendingCalls } from './pending-calls.ts';
import type { RawEvent } from './protocol/event.ts';
import { remoteError, streamHole } from './protocol/procedure.ts';
import { type ArgsOf, decodeEvent, type ProcedureName, procedureNamed, type ReplyOf } from './protocol.ts';
import { Sender } from './sender.ts';
import { decode, encode } from './xdr.ts';

const DEFAULT_CALL_TIMEOUT_MS = 30_000;

export interface RpcOptions {
  /** For every call that brings no timeout of its own; 30 s unless given. */
  readonly callTimeoutMs?: number | undefined;
  /** Without it a silent peer shows only as calls that time out. */
  readonly keepalive?: KeepaliveOptions | undefined;
}

/** A stream that a procedure has opened: what arrives on it, and its end. */
export interface StreamSink {
  packet(status: number, body: Buffer): void;
  /** So many bytes of which nothing is stored; only of a stream that was opened as sparse. */
  hole(lengthBytes: number): void;
  closed(error: ConnectionClosedError): void;
}

/**
 * libvirt's RPC over any byte stream: many calls under way at once, replies in any order. The first packet that is not what the
 * protocol says closes the connection and rejects every call.
 */
export class RpcConnection {
  readonly #stream: Duplex;
  readonly #callTimeoutMs: number;
  readonly #keepalive: Keepalive | undefined;
  readonly #splitter = new PacketSplitter((packet) => this.#receive(packet));
  readonly #calls = new PendingCalls();
  readonly #sender: Sender;
  readonly #streams = new Map<number, { program: number; number: number; sink: StreamSink }>();
  readonly #eventListeners = new Set<(event: RawEvent) => void>();
  readonly #closeListeners = new Set<(error: ConnectionClosedError) => void>();
  #holders = 0;
  #closed: ConnectionClosedError | undefined;

  constructor(stream: Duplex, options: RpcOptions = {}) {
    this.#stream = stream;
    this.#sender = new Sender(stream, this.#calls);
    this.#callTimeoutMs = options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS;
    this.#keepalive = options.keepalive && this.#watch(options.keepalive);
    stream.on('data', (chunk: Buffer) => this.#read(chunk));
    for (const end of ['end', 'close']) stream.on(end, () => this.#ended());
    stream.on('error', (error) => this.#fail(`the connection to libvirt broke: ${error.message}`, error));
  }

  /** Why the connection is closed; undefined while it is open. */
  get closed(): ConnectionClosedError | undefined {
    return this.#closed;
  }

  /**
   * Rejects with LibvirtError, ConnectionClosedError, CallTimeoutError, XdrError (arguments that cannot be sent) or the signal's
   * reason. The daemon works on several calls at once: await one whose effect the next needs.
   */
  call<N extends ProcedureName>(name: N, args: ArgsOf<N>, options: CallOptions = {}): Promise<ReplyOf<N>> {
    return this.#call(name, args, options, this.#calls.takeSerial());
  }

  /**
   * A call that opens a stream of the same serial, which `sink` is told about from before the reply on. Resolves, with the
   * serial, when libvirt has agreed; the caller ends it with closeStream.
   */
  async openStream<N extends ProcedureName>(
    name: N,
    args: ArgsOf<N>,
    sink: StreamSink,
    options?: CallOptions,
  ): Promise<number> {
    const serial = this.#calls.takeSerial();
    const { program, number } = procedureNamed(name);
    this.#streams.set(serial, { program, number, sink });
    try {
      await this.#call(name, args, options ?? {}, serial);
    } catch (error) {
      // libvirt may have opened it all the same.
      if (!(error instanceof LibvirtError))
        this.sendStream(serial, STATUS.error, Buffer.alloc(0)).catch(() => {});
      this.#streams.delete(serial);
      throw error;
    }
    return serial;
  }

  /** Sends a packet of an open stream, after what was sent before; resolves when there is room for more. */
  async sendStream(serial: number, status: number, payload: Buffer): Promise<void> {
    await this.#sendOn(serial, { type: TYPE.stream, status, payload });
  }

  /** As sendStream, in place of so many zeros. */
  async sendHole(serial: number, lengthBytes: number): Promise<void> {
    const payload = encode(streamHole, { lengthBytes, flags: 0 });
    await this.#sendOn(serial, { type: TYPE.streamHole, status: STATUS.continue, payload });
  }

  /** Nothing more that arrives on this stream is of interest. */
  closeStream(serial: number): void {
    this.#streams.delete(serial);
  }

  /** Reads nothing more, for any call or event of this connection, until every holder has called what this returns. */
  holdReading(): () => void {
    this.#holders += 1;
    this.#stream.pause();
    return () => {
      this.#holders -= 1;
      if (this.#holders === 0) this.#stream.resume();
    };
  }

  /** Calls the listener, in a microtask of its own, for each event; returns what takes it off again. */
  onEvent(listener: (event: RawEvent) => void): () => void {
    this.#eventListeners.add(listener);
    return () => this.#eventListeners.delete(listener);
  }

  /** Calls the listener once, when the connection is closed by either side; soon if it is closed already. */
  onClose(listener: (error: ConnectionClosedError) => void): () => void {
    const closed = this.#closed;
    if (closed === undefined) this.#closeListeners.add(listener);
    else queueMicrotask(() => listener(closed));
    return () => this.#closeListeners.delete(listener);
  }

  /** Ends the connection at once and rejects what is under way. */
  close(): void {
    this.#fail('the connection to libvirt was closed on this side');
  }

  async #sendOn(
    serial: number,
    { type, status, payload }: { type: number; status: number; payload: Buffer },
  ): Promise<void> {
    const open = this.#streams.get(serial);
    if (this.#closed !== undefined || open === undefined)
      throw this.#closed ?? new Error(`stream ${serial} is not open`);
    await this.#sender.streamPacket(callHeader(open, { type, serial, status }), payload);
  }

  #call<N extends ProcedureName>(
    name: N,
    args: ArgsOf<N>,
    options: CallOptions,
    serial: number,
  ): Promise<ReplyOf<N>> {
    const procedure = procedureNamed(name);
    const { program, number, args: argsCodec, reply: replyCodec } = procedure;
    const header = callHeader(procedure, { type: TYPE.call, serial, status: STATUS.ok });
    return new Promise((resolve, reject) => {
      const call: PendingCall = {
        name,
        program,
        number,
        serial,
        signal: options.signal,
        timer: undefined,
        sent: false,
        write: (writer) => writePacket(writer, header, argsCodec, args),
        complete: (body) => resolve(decode(replyCodec, body)),
        reject,
        cancel: (reason) => {
          this.#calls.delete(call);
          reject(reason);
        },
      };
      this.#begin(call, options.timeoutMs ?? this.#callTimeoutMs);
    });
  }

  #begin(call: PendingCall, timeoutMs: number): void {
    if (this.#closed !== undefined) {
      call.reject(closedError(this.#closed, call));
    } else if (call.signal?.aborted) {
      call.reject(call.signal.reason);
    } else {
      this.#calls.add(call, timeoutMs);
      this.#sender.wake();
    }
  }

  #read(chunk: Buffer): void {
    this.#keepalive?.heard();
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      this.#fail(
        `the peer does not speak libvirt's protocol: ${error instanceof Error ? error.message : ''}`,
        error,
      );
    }
  }

  #receive(packet: Packet): void {
    if (this.#closed !== undefined) return;
    if (packet.program === PROGRAM.keepalive) this.#receiveKeepalive(packet);
    else if (packet.program !== PROGRAM.remote && packet.program !== PROGRAM.qemu)
      throw new ProtocolError(`program 0x${packet.program.toString(16)} is unknown`);
    else if (packet.type === TYPE.reply) this.#receiveReply(packet);
    // Nothing of QEMU's program is listened to.
    else if (packet.program === PROGRAM.qemu) return;
    else if (packet.type === TYPE.event) this.#receiveEvent(packet);
    else if (packet.type === TYPE.stream)
      this.#streams.get(packet.serial)?.sink.packet(packet.status, packet.body);
    else if (packet.type === TYPE.streamHole)
      this.#streams.get(packet.serial)?.sink.hole(decode(streamHole, packet.body).lengthBytes);
    else throw new ProtocolError(`a packet of type ${packet.type} is not expected here`);
  }

  #receiveKeepalive(packet: Packet): void {
    if (packet.procedure === KEEPALIVE.ping) {
      this.#sender.keepalive(KEEPALIVE.pong);
    } else if (packet.procedure !== KEEPALIVE.pong) {
      throw new ProtocolError(`keepalive procedure ${packet.procedure} is unknown`);
    }
  }

  #receiveReply({ program, serial, procedure, status, body }: Packet): void {
    const call = this.#calls.get(serial);
    if (call === undefined) {
      // The late reply of a call that was cancelled or timed out.
      if (this.#calls.issued(serial)) return;
      throw new ProtocolError(`a reply came to call ${serial}, which was never made`);
    }
    if (program !== call.program || procedure !== call.number || !call.sent)
      throw new ProtocolError(`the reply to ${call.name} is for procedure ${procedure}`);
    if (status === STATUS.ok) call.complete(body);
    else if (status === STATUS.error) call.reject(new LibvirtError(call.name, decode(remoteError, body)));
    else throw new ProtocolError(`the reply to ${call.name} has status ${status}`);
    this.#calls.delete(call);
  }

  #receiveEvent({ procedure, body }: Packet): void {
    const event = decodeEvent(procedure, body);
    if (event === undefined) return;
    for (const listener of this.#eventListeners) queueMicrotask(() => listener(event));
  }

  #watch(options: KeepaliveOptions): Keepalive {
    return new Keepalive(options, {
      ping: () => this.#sender.keepalive(KEEPALIVE.ping),
      excused: () => this.#calls.size >= CALLS_THAT_MAY_SILENCE_DAEMON || this.#stream.isPaused(),
      silent: (afterMs) => this.#fail(`libvirt has been silent for ${afterMs} ms`),
    });
  }

  #ended(): void {
    this.#fail(
      `libvirt closed the connection${this.#splitter.midPacket ? ' in the middle of a packet' : ''}`,
    );
  }

  #fail(reason: string, cause?: unknown): void {
    if (this.#closed !== undefined) return;
    this.#closed = new ConnectionClosedError(reason, { outcomeUnknown: false, cause });
    this.#keepalive?.stop();
    this.#stream.destroy();
    this.#calls.closeAll(this.#closed);
    for (const { sink } of this.#streams.values()) sink.closed(this.#closed);
    this.#streams.clear();
    this.#sender.stop();
    for (const listener of this.#closeListeners) listener(this.#closed);
    this.#closeListeners.clear();
  }
}
