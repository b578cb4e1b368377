import type { Duplex } from 'node:stream';
import {
  encodePacket,
  KEEPALIVE,
  type Packet,
  type PacketHeader,
  PacketSplitter,
  PROGRAM,
  ProtocolError,
  STATUS,
  TYPE,
} from '../libvirt/packet.ts';
import { eventMessages, type RawEvent } from '../libvirt/protocol/event.ts';
import { remoteError, streamHole } from '../libvirt/protocol/procedure.ts';
import { type ProcedureName, procedureNamed, procedures, type ReplyOf } from '../libvirt/protocol.ts';
import { type Codec, decode, nothing } from '../libvirt/xdr.ts';
import { XdrError } from '../libvirt/xdr-reader.ts';
import type { Caller, OpenStream } from './calls/caller.ts';
import { callNamed } from './calls.ts';
import { CODES, internalError, LibvirtFailure } from './failure.ts';
import type { Interception, SimulatedHost } from './host.ts';
import type { StreamEnd } from './volume-stream.ts';

/** VIR_ERR_ERROR. */
const LEVEL_ERROR = 2;
const NAMES = new Map<string, ProcedureName>(
  Object.keys(procedures)
    .filter(isProcedureName)
    .map((name) => [keyOf(procedureNamed(name).program, procedureNamed(name).number), name]),
);
const PROGRAMS: readonly number[] = [PROGRAM.remote, PROGRAM.qemu];
const BEFORE_OPEN: readonly ProcedureName[] = ['authList', 'authPolkit', 'connectOpen', 'connectClose'];

/** libvirtd's end of one connection. Calls are answered as they come, unless one is told to take its time. */
export class RpcSession implements Caller {
  readonly host: SimulatedHost;
  opened = false;
  readonly #stream: Duplex;
  readonly #dropConnection: () => void;
  readonly #streams = new Map<number, StreamEnd>();
  #opening: OpenStream | undefined;
  readonly #splitter = new PacketSplitter((packet) => this.#receive(packet));

  /** `dropConnection` ends more than this stream: the network connection that carries it. */
  constructor(host: SimulatedHost, stream: Duplex, dropConnection: () => void) {
    this.host = host;
    this.#stream = stream;
    this.#dropConnection = dropConnection;
  }

  /** Answers from now on, until the stream ends. */
  start(): void {
    const stream = this.#stream;
    stream.on('data', (chunk: Buffer) => this.#read(chunk));
    stream.on('end', () => this.#leave());
    stream.on('close', () => this.#leave());
    stream.on('error', () => this.#leave());
  }

  send(event: RawEvent): void {
    const header = { program: PROGRAM.remote, type: TYPE.event, serial: 0, status: STATUS.ok };
    if (event.name === 'domainLifecycle') {
      const { number, body } = eventMessages.domainLifecycle;
      this.#write({ ...header, procedure: number }, body, event.body);
    } else {
      const { number, body } = eventMessages.domainMetadataChange;
      this.#write({ ...header, procedure: number }, body, event.body);
    }
  }

  #read(chunk: Buffer): void {
    // One write for all that a chunk of pipelined calls brings about.
    this.#stream.cork();
    try {
      this.#splitter.push(chunk);
    } catch (error) {
      // As libvirtd does with a client that does not speak its protocol.
      this.#stream.destroy();
      if (!(error instanceof ProtocolError)) throw error;
    }
    process.nextTick(() => this.#stream.uncork());
  }

  openStream(open: OpenStream): void {
    this.#opening = open;
  }

  #receive(packet: Packet): void {
    if (packet.program === PROGRAM.keepalive) {
      if (packet.procedure === KEEPALIVE.ping) this.#pong();
      return;
    }
    if (packet.program === PROGRAM.remote && packet.type === TYPE.stream) {
      this.#streams.get(packet.serial)?.packet(packet.status, packet.body);
      if (packet.status !== STATUS.continue) this.#streams.delete(packet.serial);
      return;
    }
    if (packet.program === PROGRAM.remote && packet.type === TYPE.streamHole) {
      this.#streams.get(packet.serial)?.hole(decode(streamHole, packet.body).lengthBytes);
      return;
    }
    const name = NAMES.get(keyOf(packet.program, packet.procedure));
    if (!PROGRAMS.includes(packet.program) || packet.type !== TYPE.call) this.#stream.destroy();
    else if (name === undefined) this.#fail(packet, new LibvirtFailure(CODES.RPC, 'rpc', unknown(packet)));
    else this.#judge(packet, name, this.host.judge(name));
  }

  #judge(packet: Packet, name: ProcedureName, interception: Interception): void {
    if (interception === 'drop-connection') this.#dropConnection();
    else if (interception === 'drop-reply') {
      this.#execute(packet, name, () => undefined);
      this.#dropConnection();
    } else if (interception === 'pass') this.#answer(packet, name);
    else if ('delayMs' in interception) {
      setTimeout(() => this.#answer(packet, name), interception.delayMs).unref();
    } else {
      const { error, message = 'an error that was asked for' } = interception;
      this.#fail(packet, new LibvirtFailure(error, 'qemu', message));
    }
  }

  #answer(packet: Packet, name: ProcedureName): void {
    this.#execute(packet, name, (codec, reply) => {
      const { program, procedure, serial } = packet;
      this.#write({ program, type: TYPE.reply, status: STATUS.ok, procedure, serial }, codec, reply);
    });
    if (name === 'connectClose') this.#stream.end();
  }

  #execute<N extends ProcedureName>(
    packet: Packet,
    name: N,
    done: (codec: Codec<ReplyOf<N>>, reply: ReplyOf<N>) => void,
  ): void {
    // A host that lost its power in the meantime answers nobody.
    if (!this.host.isOn || this.#stream.destroyed) return;
    try {
      const { args, reply } = procedureNamed(name);
      const call = callNamed(name);
      if (call === undefined) throw notSupported(name);
      if (!this.opened && !BEFORE_OPEN.includes(name))
        throw internalError('rpc', 'hypervisor connection not open');
      const result = call(this, decode(args, packet.body));
      const open = this.#opening;
      this.#opening = undefined;
      done(reply, result);
      if (open !== undefined) this.#startStream(packet, open);
    } catch (error) {
      if (error instanceof LibvirtFailure) this.#fail(packet, error);
      else if (error instanceof XdrError)
        this.#fail(packet, new LibvirtFailure(CODES.RPC, 'rpc', 'Unable to decode message payload'));
      else throw error;
    }
  }

  #startStream({ program, procedure, serial }: Packet, open: OpenStream): void {
    const about = { program, procedure, serial };
    const client: StreamEnd = {
      packet: (status, body) => this.#write({ ...about, type: TYPE.stream, status }, unframed, body),
      hole: (lengthBytes) =>
        this.#write({ ...about, type: TYPE.streamHole, status: STATUS.continue }, streamHole, {
          lengthBytes,
          flags: 0,
        }),
    };
    this.#streams.set(serial, open(client));
  }

  #fail({ program, procedure, serial }: Packet, failure: LibvirtFailure): void {
    const body = {
      code: failure.code,
      domain: failure.origin,
      message: failure.message,
      level: LEVEL_ERROR,
      dom: undefined,
      str1: failure.message,
      str2: undefined,
      str3: undefined,
      int1: -1,
      int2: -1,
      net: undefined,
    };
    this.#write({ program, type: TYPE.reply, status: STATUS.error, procedure, serial }, remoteError, body);
  }

  #pong(): void {
    const header = { program: PROGRAM.keepalive, procedure: KEEPALIVE.pong, type: TYPE.event };
    this.#stream.write(encodePacket({ ...header, serial: 0, status: STATUS.ok }, nothing, undefined));
  }

  #write<T>(header: PacketHeader, codec: Codec<T>, body: T): void {
    if (this.#stream.writable) this.#stream.write(encodePacket(header, codec, body));
  }

  #leave(): void {
    this.host.events.leave(this);
    this.host.migrations.forget(this);
    if (!this.#stream.destroyed) this.#stream.end();
  }
}

/** What a stream carries, without a length before it or zeros after it. */
const unframed: Codec<Buffer> = {
  encode: (writer, body) => writer.raw(body),
  decode: () => {
    throw new Error('never decoded');
  },
};

function keyOf(program: number, procedure: number): string {
  return `${program}/${procedure}`;
}

function isProcedureName(name: string): name is ProcedureName {
  return name in procedures;
}

function unknown({ procedure }: Packet): string {
  return `unknown procedure: ${procedure}`;
}

function notSupported(name: ProcedureName): LibvirtFailure {
  const message = `this function is not supported by the connection driver: ${name}`;
  return new LibvirtFailure(CODES.NO_SUPPORT, 'none', message);
}
