import { once } from 'node:events';
import { createServer, type Socket, type Server as TcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2, { type Connection, type ServerChannel, type Session } from 'ssh2';
import type { SimulatedHost, Uplink } from './host.ts';
import { RpcSession } from './rpc-session.ts';

/** How libvirt can be reached through SSH. */
export type Way = 'streamlocal' | 'virt-ssh-helper' | 'nc';

export interface SshFrontOptions {
  /** Private host key, in OpenSSH's format. */
  readonly hostKey: string;
  /** The public key that is let in, as `type base64`. */
  readonly authorizedKey: string;
  readonly user: string;
  /** The ways that are open; all unless told. */
  readonly ways?: readonly Way[] | undefined;
}

const SOCKETS = ['/run/libvirt/libvirt-sock', '/var/run/libvirt/libvirt-sock'];
const COMMAND_NOT_FOUND = 127;

/** The SSH server of one host, on a port of the loopback interface. */
export class SshFront implements Uplink {
  readonly #host: SimulatedHost;
  readonly #options: SshFrontOptions;
  readonly #ssh: ssh2.Server;
  readonly #tcp: TcpServer;
  readonly #sockets = new Set<Socket>();
  #held = false;
  /** Connections that came while the cable was out. */
  #waiting: Socket[] = [];

  constructor(host: SimulatedHost, options: SshFrontOptions) {
    this.#host = host;
    this.#options = options;
    this.#ssh = new ssh2.Server({ hostKeys: [options.hostKey] });
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#ssh.on('connection', (client, { port }) => {
      const socket = [...this.#sockets].find((candidate) => candidate.remotePort === port);
      if (socket !== undefined) this.#serveClient(client, socket);
    });
    host.uplink = this;
  }

  /** Listens, on any free port for 0; returns the port. */
  async listen(port: number): Promise<number> {
    this.#tcp.listen(port, '127.0.0.1');
    await once(this.#tcp, 'listening');
    const address = this.#tcp.address();
    if (address === null || typeof address === 'string') throw new TypeError('a TCP server has a port');
    return address.port;
  }

  async close(): Promise<void> {
    this.drop();
    const closed = once(this.#tcp, 'close');
    this.#tcp.close();
    await closed;
  }

  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  hold(held: boolean): void {
    if (this.#held === held) return;
    this.#held = held;
    for (const socket of this.#sockets) holdSocket(socket, held);
    if (held) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const socket of waiting) this.#serve(socket);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    // A peer that resets its connection is no trouble of the server's.
    socket.on('error', () => undefined);
    if (!this.#host.isOn) socket.destroy();
    else if (this.#held) this.#waiting.push(socket.pause());
    else this.#serve(socket);
  }

  #serve(socket: Socket): void {
    if (socket.destroyed) return;
    this.#ssh.injectSocket(socket);
    socket.resume();
  }

  #serveClient(client: Connection, socket: Socket): void {
    client.on('error', () => socket.destroy());
    client.on('authentication', (context) => {
      if (context.method !== 'publickey' || context.username !== this.#options.user)
        return context.reject(['publickey']);
      const offered = `${context.key.algo} ${context.key.data.toString('base64')}`;
      if (offered !== this.#options.authorizedKey || !isSigned(context, this.#options.authorizedKey))
        return context.reject(['publickey']);
      context.accept();
    });
    client.on('openssh.streamlocal', (accept, reject, { socketPath }) => {
      const open = this.#isOpen('streamlocal') && SOCKETS.includes(socketPath);
      if (open) this.#startRpc(accept(), socket);
      else reject();
    });
    client.on('session', (accept) => this.#serveSession(accept(), socket));
  }

  #serveSession(session: Session, socket: Socket): void {
    session.on('env', (accept: (() => void) | undefined) => accept?.());
    session.on('exec', (accept, _reject, { command }) => {
      const channel = accept();
      if (this.#leadsToLibvirt(commandOf(command))) this.#startRpc(channel, socket);
      else refuse(channel, command);
    });
  }

  #leadsToLibvirt([program, ...args]: readonly string[]): boolean {
    if (program === 'virt-ssh-helper') return this.#isOpen('virt-ssh-helper') && args.length === 1;
    const socket = args[1] ?? '';
    return program === 'nc' && this.#isOpen('nc') && args[0] === '-U' && SOCKETS.includes(socket);
  }

  #isOpen(way: Way): boolean {
    return this.#options.ways?.includes(way) ?? true;
  }

  #startRpc(stream: Duplex, socket: Socket): void {
    new RpcSession(this.#host, stream, () => socket.destroy()).start();
  }
}

/** Stops what comes and what goes, without the other side noticing. */
function holdSocket(socket: Socket, held: boolean): void {
  if (held) {
    socket.pause();
    socket.cork();
  } else {
    socket.uncork();
    socket.resume();
  }
}

/** A first question whether the key would do has no signature. */
function isSigned(context: ssh2.PublicKeyAuthContext, authorizedKey: string): boolean {
  const { signature, blob, hashAlgo } = context;
  if (signature === undefined || blob === undefined) return true;
  const key = ssh2.utils.parseKey(authorizedKey);
  return !(key instanceof Error) && key.verify(blob, signature, hashAlgo);
}

/** The words of a command, without what only sets the scene for it. */
function commandOf(command: string): readonly string[] {
  const words = command.split(' ').map((word) => word.replace(/^'(.*)'$/, '$1'));
  return words[0] === 'env' && words[1] === 'LC_ALL=C' ? words.slice(2) : words;
}

function refuse(channel: ServerChannel, command: string): void {
  const [program = ''] = commandOf(command);
  channel.stderr.write(`env: '${program}': No such file or directory\n`);
  channel.exit(COMMAND_NOT_FOUND);
  channel.end();
}
