import { randomUUID } from 'node:crypto';
import type { ProcedureName } from '../libvirt/protocol.ts';
import { definitionOf } from './domain.ts';
import { Domains } from './domains.ts';
import { EventFeed } from './event-feed.ts';
import type { HostFacts } from './facts.ts';
import type { Guest } from './guest-agent.ts';
import { Migrations } from './migration.ts';
import { Storage } from './storage.ts';
import { imageFile } from './volumes.ts';

const GIB = 1024 ** 3;
const DEFAULT_POOL = { name: 'default', path: '/var/lib/libvirt/images' } as const;

/** A base image that stands in a pool from the beginning. */
export interface ImageOptions {
  /** Name of the volume. */
  readonly volume: string;
  readonly sizeGiB: number;
  /** Data in it; a full copy takes up as much. 0 unless told. */
  readonly dataBytes?: number;
  /** `default` unless told. */
  readonly pool?: string;
}

export interface HostOptions {
  readonly name: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly images?: readonly ImageOptions[];
  /** Size of the file system that holds all pools; 500 GiB unless told. */
  readonly diskGiB?: number;
  /** `default` at libvirt's usual place unless told. */
  readonly pools?: readonly { readonly name: string; readonly path: string }[];
  /** `qemu`: no hardware virtualisation; `kvm` unless told. */
  readonly virtType?: 'kvm' | 'qemu';
  readonly arch?: 'x86_64' | 'aarch64';
  /** The bridges that there are; any unless told. */
  readonly bridges?: readonly string[];
  /** From the power button to the guest's end; 50 ms unless told. */
  readonly shutdownMs?: number;
}

/** What becomes of one call. `drop-reply`: it is done, and the connection dies before the answer. */
export type Interception =
  | 'pass'
  | 'drop-connection'
  | 'drop-reply'
  | { readonly error: number; readonly message?: string }
  | { readonly delayMs: number };

/** Decides about each call; `callIndex` counts the host's calls from 0. */
export type Intercept = (host: string, procedureName: ProcedureName, callIndex: number) => Interception;

/** The host's network, seen from the host. */
export interface Uplink {
  /** Ends every connection at once. */
  drop(): void;
  /** Held connections hang: nothing goes in or out. */
  hold(held: boolean): void;
}

/** One KVM host in memory: what libvirtd, QEMU and the disks would be. */
export class SimulatedHost {
  readonly name: string;
  readonly facts: HostFacts;
  readonly domains: Domains;
  readonly storage: Storage;
  readonly events = new EventFeed();
  readonly migrations: Migrations;
  /** Called for each call; see Intercept. */
  intercept: Intercept | undefined;
  uplink: Uplink | undefined;
  /** Called after each change of what would be on its disks. */
  onChange: () => void = () => undefined;
  #on = true;
  #calls = 0;

  constructor(options: HostOptions, uuid: string = randomUUID()) {
    const changed = () => this.onChange();
    this.name = options.name;
    this.facts = factsOf(options, uuid);
    this.migrations = new Migrations(this);
    this.storage = new Storage(this.facts.diskBytes, changed);
    this.domains = new Domains({
      facts: this.facts,
      storage: this.storage,
      events: this.events,
      shutdownMs: options.shutdownMs ?? 50,
      onChange: changed,
    });
  }

  /** Makes its pools and puts the base images into them, as an installation does. */
  install({ pools = [DEFAULT_POOL], images = [] }: Pick<HostOptions, 'pools' | 'images'>): void {
    for (const wanted of pools) {
      this.storage.makeFolder(wanted.path);
      const pool = this.storage.addPool(wanted);
      pool.autostart = true;
      this.storage.startPool(pool);
    }
    for (const { volume, sizeGiB, dataBytes = 0, pool = DEFAULT_POOL.name } of images)
      this.storage.addVolume(this.storage.poolByName(pool), volume, imageFile(sizeGiB * GIB, dataBytes));
  }

  get isOn(): boolean {
    return this.#on;
  }

  /** The guest is shut down from inside. */
  powerOff(vm: string): void {
    this.domains.powerOff(this.domains.byName(vm));
  }

  /** Whether the guest keeps devices that are to be taken from it. */
  keepDevices(vm: string, keeps = true): void {
    this.domains.byName(vm).keepsDevices = keeps;
  }

  /** Whether the guest reacts to the power button. */
  ignoreShutdown(vm: string, ignores = true): void {
    this.domains.byName(vm).ignoresShutdown = ignores;
  }

  /** Whether the guest runs an agent. */
  runAgent(vm: string, runs = true): void {
    this.domains.byName(vm).hasAgent = runs;
  }

  /** What the agent of the guest shows, for a test to look at and to change. */
  guestOf(vm: string): Guest {
    return this.domains.byName(vm).guest;
  }

  /** True while the VM runs. */
  isRunning(vm: string): boolean {
    return this.domains.all().some(({ name, run }) => name === vm && run !== undefined);
  }

  /** The VMs that are there, with the files of their disks. */
  vms(): readonly { readonly name: string; readonly running: boolean; readonly files: readonly string[] }[] {
    return this.domains.all().map((domain) => ({
      name: domain.name,
      running: domain.run !== undefined,
      files: definitionOf(domain).disks.flatMap(({ file }) => file ?? []),
    }));
  }

  /** A power cut: connections die, guests stop, disks stay. */
  crash(): void {
    this.#on = false;
    this.migrations.powerCut();
    this.domains.powerCut();
    this.storage.powerCut();
    this.uplink?.drop();
  }

  /** Switches it on again: pools and VMs with autostart come up. */
  boot(): void {
    if (this.#on) return;
    this.#on = true;
    this.storage.autostart();
    this.domains.autostart();
  }

  /** Takes its network cable out: connections hang. */
  cut(): void {
    this.uplink?.hold(true);
  }

  /** Puts the cable back. */
  heal(): void {
    this.uplink?.hold(false);
  }

  /** What becomes of the next call. */
  judge(procedureName: ProcedureName): Interception {
    return this.intercept?.(this.name, procedureName, this.#calls++) ?? 'pass';
  }
}

function factsOf(options: HostOptions, uuid: string): HostFacts {
  const { name, cpus, memoryMiB, virtType = 'kvm', arch = 'x86_64', bridges, diskGiB = 500 } = options;
  const emulator = `/usr/bin/qemu-system-${arch}`;
  return { name, uuid, cpus, memoryMiB, virtType, arch, emulator, bridges, diskBytes: diskGiB * GIB };
}
