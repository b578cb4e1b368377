import { randomBytes } from 'node:crypto';
import type { TypedParamList } from '../libvirt/typed-params.ts';
import type { Domain } from './domain.ts';
import {
  allowFlags,
  CODES,
  internalError,
  invalidArgument,
  LibvirtFailure,
  systemError,
  wrongState,
} from './failure.ts';
import type { SimulatedHost } from './host.ts';

/** virDomainMigrateFlags: those that are known here. */
const FLAGS = 0x1fffff;
const PERSIST_DEST = 8;
const FIRST_PORT = 49_152;

/** A process on a host that waits for a guest. */
interface Incoming {
  readonly host: SimulatedHost;
  readonly domain: Domain;
  /** The connection that it was prepared on. */
  readonly owner: object;
  /** The guest's memory is here. */
  complete: boolean;
  /** As the source says that it is to be started next. */
  next: string | undefined;
}

/** Every port of every simulated host: they are all on one machine. */
const listening = new Map<number, Incoming>();
let lastPort = FIRST_PORT - 1;

/** The migrations that a host has a part in. */
export class Migrations {
  readonly #host: SimulatedHost;
  /** By uuid. */
  readonly #incoming = new Map<string, { readonly port: number; readonly incoming: Incoming }>();
  /** Uuids of domains whose migration has begun here. */
  readonly #outgoing = new Set<string>();

  constructor(host: SimulatedHost) {
    this.#host = host;
  }

  /** The definition for the target. */
  begin(domain: Domain, params: TypedParamList, flags: number): { cookie: Buffer; xml: string } {
    allowFlags(flags, FLAGS, 'qemu', 'qemuMigrationSrcBegin');
    if (domain.run === undefined) throw wrongState('domain', 'domain is not running');
    this.#outgoing.add(domain.uuid);
    const xml = textOf(params, 'destination_xml') ?? this.#host.domains.xml(domain, false);
    return { cookie: randomBytes(16), xml };
  }

  /** Starts a process that waits for the guest. */
  prepare(owner: object, params: TypedParamList, flags: number): { cookie: Buffer; uri: string } {
    allowFlags(flags, FLAGS, 'qemu', 'qemuMigrationDstPrepare');
    const xml = textOf(params, 'destination_xml');
    if (xml === undefined) throw internalError('qemu', 'no domain XML passed');
    const domain = this.#host.domains.prepare(xml);
    const port = ++lastPort;
    const incoming: Incoming = { host: this.#host, domain, owner, complete: false, next: undefined };
    listening.set(port, incoming);
    this.#incoming.set(domain.uuid, { port, incoming });
    const wanted = textOf(params, 'migrate_uri') ?? `tcp://${this.#host.name}`;
    return { cookie: randomBytes(16), uri: `${wanted}:${port}` };
  }

  /** Sends disks and memory; the guest is paused from then on. */
  perform(domain: Domain, params: TypedParamList, flags: number): Buffer {
    allowFlags(flags, FLAGS, 'qemu', 'qemuMigrationSrcPerform');
    if (!this.#outgoing.has(domain.uuid)) throw notMigrating(domain);
    const uri = textOf(params, 'migrate_uri') ?? '';
    const incoming = listening.get(Number(uri.slice(uri.lastIndexOf(':') + 1)));
    if (incoming === undefined)
      throw systemError(
        'none',
        `unable to connect to server at '${uri.replace('tcp://', '')}': Connection refused`,
      );
    const targets = params.flatMap(([name, value]) => (name === 'migrate_disks' ? String(value) : []));
    for (const target of targets) this.#copyDisk(domain, incoming, target);
    if ((flags & PERSIST_DEST) !== 0)
      incoming.next = textOf(params, 'persistent_xml') ?? this.#host.domains.xml(domain, true);
    incoming.complete = true;
    this.#host.domains.pauseToLeave(domain);
    return randomBytes(16);
  }

  #copyDisk(domain: Domain, incoming: Incoming, target: string): void {
    const [from, to] = [domain, incoming.domain].map(
      ({ run }) => run?.definition.disks.find((disk) => disk.target === target)?.file,
    );
    if (from === undefined || to === undefined)
      throw invalidArgument('qemu', `invalid argument: disk '${target}' not found`);
    const [theirs, ours] = [this.#host.storage.file(from), incoming.host.storage.file(to)];
    if (theirs === undefined || ours === undefined)
      throw internalError('qemu', `unable to copy disk '${target}'`);
    const { backing: _, mode: _m, ...written } = theirs;
    const { backing, mode } = ours;
    incoming.host.storage.putFile(to, { ...written, ...(backing && { backing }), ...(mode && { mode }) });
  }

  /** Lets the guest run here, or ends the process that waited for it. */
  finish(params: TypedParamList, cancelled: boolean): { domain: Domain; cookie: Buffer } {
    const name = textOf(params, 'destination_name') ?? '';
    const found = [...this.#incoming.values()].find(({ incoming }) => incoming.domain.name === name);
    if (found === undefined)
      throw new LibvirtFailure(CODES.NO_DOMAIN, 'qemu', `no domain with matching name '${name}'`);
    const { port, incoming } = found;
    const { domain } = incoming;
    listening.delete(port);
    this.#incoming.delete(domain.uuid);
    if (cancelled || !incoming.complete) {
      this.#host.domains.giveUp(domain, 'failed');
      throw new LibvirtFailure(CODES.MIGRATE_FINISH_OK, 'qemu', 'migration successfully aborted');
    }
    this.#host.domains.goOnHere(domain, incoming.next);
    return { domain, cookie: randomBytes(16) };
  }

  /** Ends what is left of the guest here, or lets it go on. */
  confirm(domain: Domain, cancelled: boolean): void {
    const isPaused = this.#host.domains.isPausedToLeave(domain);
    if (!this.#outgoing.delete(domain.uuid) || (cancelled && !isPaused)) throw notMigrating(domain);
    if (cancelled) this.#host.domains.resume(domain);
    else this.#host.domains.leave(domain);
  }

  /** A connection is gone: what waits on its behalf is ended. A guest that is paused stays so. */
  forget(owner: object): void {
    for (const { port, incoming } of this.#incoming.values())
      if (incoming.owner === owner) this.#drop(port, incoming);
  }

  powerCut(): void {
    for (const { port } of this.#incoming.values()) listening.delete(port);
    this.#incoming.clear();
    this.#outgoing.clear();
  }

  #drop(port: number, { domain }: Incoming): void {
    listening.delete(port);
    this.#incoming.delete(domain.uuid);
    this.#host.domains.giveUp(domain, 'destroyed');
  }
}

function textOf(params: TypedParamList, field: string): string | undefined {
  const found = params.find(([name]) => name === field);
  return found === undefined ? undefined : String(found[1]);
}

function notMigrating({ name }: Domain): LibvirtFailure {
  return wrongState('qemu', `domain '${name}' is not being migrated`);
}
