import type { SourceVm } from '../../core/desired.ts';
import type { SeedOrder } from '../../core/seed.ts';
import type { HostnameStep } from '../../core/step.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import type { copyVolume } from '../copy/copy-volume.ts';
import type { DomainEvents } from '../domain-events.ts';
import type { GuestAgent } from '../guest-agent.ts';
import type { HostFacts } from '../host-facts.ts';
import type { CheckedVolumes } from '../images/checked-volumes.ts';
import type { ImageFiles } from '../images/image-files.ts';
import type { SourceDisk } from '../images/source-disk.ts';

export type DomainRef = Awaited<ReturnType<Libvirt['domains']['byUuid']>>;
export type PoolRef = Awaited<ReturnType<Libvirt['pools']['byName']>>;
export type StoredVolume = Awaited<ReturnType<Libvirt['volumes']['byName']>>;

/** What is done inside guests, past libvirt. */
export interface Guests {
  /** Forgets what was known of a guest of that name: a new one takes its place. */
  expectNew(vm: string): Promise<void>;
  /** Sets the host name, by SSH or by the guest's agent, and sees that it is set. */
  setHostname(
    step: Pick<HostnameStep, 'vm' | 'host' | 'address' | 'hostname' | 'via'>,
    agent: GuestAgent,
  ): Promise<void>;
}

/** What a step has to work with on its host. */
export interface StepContext {
  /** The host's name in operator.yaml. */
  readonly host: string;
  readonly client: Libvirt;
  readonly facts: HostFacts;
  readonly events: DomainEvents;
  /** How long a guest may take to shut down. */
  readonly shutdownTimeoutMs: number;
  /** `allowed`: pull the plug of a guest that does not shut down in time. A step may say otherwise. */
  readonly force: 'never' | 'allowed';
  /** How long a guest may take to let go of a disk that is taken from it; then that waits for its next start. */
  readonly letGoMs: number;
  /** How long the copy of an image may take. */
  readonly copyTimeoutMs: number;
  /**
   * Runs one define on the host at a time: libvirtd's first validations, when they meet, fail with "Unable to parse RNG"
   * (a race in libxml2's type library, seen with libvirt 9.0).
   */
  readonly defineInTurn: <T>(define: () => Promise<T>) => Promise<T>;
  /** What bringing base images needs. */
  readonly images: {
    readonly files: ImageFiles;
    readonly checked: CheckedVolumes;
    /** Opens the disk of a VM on whatever host. */
    readonly openSource: (source: SourceVm) => Promise<SourceDisk>;
    /** Lets one step at a time fill the file with that path, on whatever host. */
    readonly onePerFile: (path: string, fill: () => Promise<void>) => Promise<void>;
    /** What was read of base images that people brought: sha256 by host, volume, size and time. */
    readonly hashes: Map<string, string>;
    /** Lets a few copies be made at once, on all hosts. */
    readonly inTurn: <T>(copy: () => Promise<T>) => Promise<T>;
  };
  /** The bytes of a VM's seed. E_SECRET where a secret of it cannot be had. */
  readonly seedImage: (order: SeedOrder) => Promise<Buffer>;
  readonly guests: Guests;
  /** Where the QEMU of other hosts reaches that of a host. */
  readonly migrationAddressOf: (host: string) => string;
  /** Another host, for what concerns two. Throws where it cannot be reached. */
  readonly peer: (host: string) => Promise<Pick<StepContext, 'host' | 'client' | 'facts' | 'events'>>;
  /** Copies a volume from host to host. */
  readonly copyVolume: typeof copyVolume;
  /** Runs a copy between two hosts when neither has more of them than that. */
  readonly copyInTurn: <T>(
    hosts: readonly string[],
    maxPerHost: number,
    copy: () => Promise<T>,
  ) => Promise<T>;
  /** Aborted: a newer commit is there. No guest is waited for any longer, and no copy goes on: see `WaitCutShort`. */
  readonly superseded: AbortSignal;
  /** What is being done now, in a few words. */
  readonly progress: (message: string) => void;
  /** What a person should know of its result. */
  readonly remark: (message: string) => void;
}
