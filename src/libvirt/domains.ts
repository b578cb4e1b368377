import { type BitOptions, bitsOf, filterBitsOf } from './bits.ts';
import type { RpcConnection } from './connection.ts';
import { isLibvirtError } from './errors.ts';
import type { CallOptions } from './pending-calls.ts';
import { METADATA } from './protocol/domain.ts';
import type { DomainRef } from './protocol/procedure.ts';
import type { TypedParams } from './typed-params.ts';

/** virDomainState by number. */
export const DOMAIN_STATES = [
  'nostate',
  'running',
  'blocked',
  'paused',
  'shutdown',
  'shutoff',
  'crashed',
  'pmsuspended',
] as const;
export type DomainState = (typeof DOMAIN_STATES)[number];

/** virDomainModificationImpact: neither means whatever the domain is now. */
export const IMPACT = { live: 1, config: 2 } as const;
/** virConnectListAllDomainsFlags. */
export const DOMAIN_FILTER = {
  active: [1, 2],
  persistent: [4, 8],
  managedSave: [256, 512],
  autostart: [1024, 2048],
  snapshot: [4096, 8192],
} as const;
export const XML_FLAGS = { secure: 1, inactive: 2, migratable: 8 } as const;
export const START_FLAGS = { paused: 1, bypassCache: 4, forceBoot: 8 } as const;
/** virDomainShutdownFlagValues; 0 leaves the choice to the hypervisor. */
export const SHUTDOWN_MODES = { default: 0, acpi: 1, agent: 2 } as const;
export const UNDEFINE_FLAGS = {
  managedSave: 1,
  snapshotsMetadata: 2,
  nvram: 4,
  keepNvram: 8,
  checkpointsMetadata: 16,
  tpm: 32,
  keepTpm: 64,
} as const;
/** virDomainStatsTypes. */
export const STATS_GROUPS = { state: 1, cpu: 2, balloon: 4, vcpu: 8, interface: 16, block: 32 } as const;
/** virDomainInterfaceAddressesSource. */
export const ADDRESS_SOURCES = { lease: 0, agent: 1, arp: 2 } as const;
const IP_TYPES = ['ipv4', 'ipv6'] as const;
/** virDomainMemoryModFlags. */
export const MEMORY_FLAGS = { ...IMPACT, maximum: 4 } as const;
/** virDomainVcpuFlags. */
export const VCPU_FLAGS = { ...IMPACT, maximum: 4, guest: 8 } as const;
const DEFINE_FLAGS = { validate: 1 } as const;
const SAVE_FLAGS = { bypassCache: 1, running: 2, paused: 4 } as const;
const DESTROY_FLAGS = { graceful: 1 } as const;
const STATS_FLAGS = { nowait: 0x2000_0000, backing: 0x4000_0000 } as const;

export interface DomainStats {
  readonly domain: DomainRef;
  /** By libvirt's names, such as `balloon.maximum` (KiB) or `block.0.allocation` (bytes). */
  readonly params: TypedParams;
}

/** An address of one of a domain's network interfaces. */
export interface InterfaceAddress {
  readonly mac?: string;
  readonly type: 'ipv4' | 'ipv6';
  readonly address: string;
}

/** The name of a virDomainState; `nostate` for one that is not known. */
export function domainStateName(state: number): DomainState {
  return DOMAIN_STATES[state] ?? 'nostate';
}

/** What can be done with domains. */
export function domainCalls(rpc: RpcConnection) {
  return {
    /** Every domain that passes the filter; all of them without one. */
    async list(options: BitOptions<typeof DOMAIN_FILTER> = {}): Promise<readonly DomainRef[]> {
      const args = { needResults: 1, flags: filterBitsOf(DOMAIN_FILTER, options) };
      return (await rpc.call('connectListAllDomains', args, options)).domains;
    },

    /** Rejects with NO_DOMAIN when there is none. */
    async byUuid(uuid: string, options?: CallOptions): Promise<DomainRef> {
      return (await rpc.call('domainLookupByUuid', { uuid }, options)).domain;
    },

    /** Rejects with NO_DOMAIN when there is none. */
    async byName(name: string, options?: CallOptions): Promise<DomainRef> {
      return (await rpc.call('domainLookupByName', { name }, options)).domain;
    },

    /** The domain as it is now, or with `inactive` as it will be when it is started next. */
    async xml(domain: DomainRef, options: BitOptions<typeof XML_FLAGS> = {}): Promise<string> {
      return (await rpc.call('domainGetXmlDesc', { domain, flags: bitsOf(XML_FLAGS, options) }, options)).xml;
    },

    /** Makes the domain, or replaces the definition of the one with this name and uuid. */
    async define(xml: string, options: BitOptions<typeof DEFINE_FLAGS> = {}): Promise<DomainRef> {
      return (await rpc.call('domainDefineXmlFlags', { xml, flags: bitsOf(DEFINE_FLAGS, options) }, options))
        .domain;
    },

    /** Starts a defined domain; rejects with OPERATION_INVALID when it runs already. */
    async start(domain: DomainRef, options: BitOptions<typeof START_FLAGS> = {}): Promise<DomainRef> {
      const args = { domain, flags: bitsOf(START_FLAGS, options) };
      return (await rpc.call('domainCreateWithFlags', args, options)).domain;
    },

    /** Lets a paused guest go on; rejects with OPERATION_INVALID when it runs, or is off. */
    async resume(domain: DomainRef, options?: CallOptions): Promise<void> {
      await rpc.call('domainResume', { domain }, options);
    },

    /** Asks the guest to shut down; resolves when it has been asked, not when it is off. */
    async shutdown(
      domain: DomainRef,
      options: CallOptions & { readonly mode?: keyof typeof SHUTDOWN_MODES } = {},
    ): Promise<void> {
      await rpc.call(
        'domainShutdownFlags',
        { domain, flags: SHUTDOWN_MODES[options.mode ?? 'default'] },
        options,
      );
    },

    /** Pulls the plug. `graceful` gives up rather than kill a QEMU that does not end by itself. */
    async destroy(domain: DomainRef, options: BitOptions<typeof DESTROY_FLAGS> = {}): Promise<void> {
      await rpc.call('domainDestroyFlags', { domain, flags: bitsOf(DESTROY_FLAGS, options) }, options);
    },

    /** Removes the definition. Disks stay; a running domain runs on, without one. */
    async undefine(domain: DomainRef, options: BitOptions<typeof UNDEFINE_FLAGS> = {}): Promise<void> {
      await rpc.call('domainUndefineFlags', { domain, flags: bitsOf(UNDEFINE_FLAGS, options) }, options);
    },

    async state(domain: DomainRef, options?: CallOptions): Promise<{ state: DomainState; reason: number }> {
      const { state, reason } = await rpc.call('domainGetState', { domain, flags: 0 }, options);
      return { state: domainStateName(state), reason };
    },

    /** The metadata element of that namespace; undefined when the domain has none. */
    async metadata(
      domain: DomainRef,
      uri: string,
      options: BitOptions<typeof IMPACT> = {},
    ): Promise<string | undefined> {
      const args = { domain, type: METADATA.element, uri, flags: bitsOf(IMPACT, options) };
      try {
        return (await rpc.call('domainGetMetadata', args, options)).metadata;
      } catch (error) {
        if (isLibvirtError(error, 'NO_DOMAIN_METADATA')) return undefined;
        throw error;
      }
    },

    /** Puts an element into the metadata under its namespace, or takes it out when `xml` is undefined. */
    async setMetadata(
      domain: DomainRef,
      element: { readonly uri: string; readonly key: string; readonly xml: string | undefined },
      options: BitOptions<typeof IMPACT> = {},
    ): Promise<void> {
      const { uri, key, xml: metadata } = element;
      const args = { domain, type: METADATA.element, metadata, key, uri, flags: bitsOf(IMPACT, options) };
      await rpc.call('domainSetMetadata', args, options);
    },

    async autostart(domain: DomainRef, options?: CallOptions): Promise<boolean> {
      return (await rpc.call('domainGetAutostart', { domain }, options)).autostart;
    },

    async setAutostart(domain: DomainRef, autostart: boolean, options?: CallOptions): Promise<void> {
      await rpc.call('domainSetAutostart', { domain, autostart }, options);
    },

    /** `maximum` sets the ceiling, which only the config of a domain that is off, or its next start, can take. */
    async setMemory(
      domain: DomainRef,
      memoryKiB: number,
      options: BitOptions<typeof MEMORY_FLAGS> = {},
    ): Promise<void> {
      await rpc.call(
        'domainSetMemoryFlags',
        { domain, memoryKiB, flags: bitsOf(MEMORY_FLAGS, options) },
        options,
      );
    },

    async setVcpus(
      domain: DomainRef,
      vcpus: number,
      options: BitOptions<typeof VCPU_FLAGS> = {},
    ): Promise<void> {
      await rpc.call('domainSetVcpusFlags', { domain, vcpus, flags: bitsOf(VCPU_FLAGS, options) }, options);
    },

    async vcpus(domain: DomainRef, options: BitOptions<typeof VCPU_FLAGS> = {}): Promise<number> {
      return (await rpc.call('domainGetVcpusFlags', { domain, flags: bitsOf(VCPU_FLAGS, options) }, options))
        .vcpus;
    },

    /** Counters of every domain at once. No group asked for means all; `nowait` leaves out what a busy domain cannot tell at once. */
    async stats(
      groups: { readonly [K in keyof typeof STATS_GROUPS]?: boolean },
      options: BitOptions<typeof STATS_FLAGS> & { readonly domains?: readonly DomainRef[] } = {},
    ): Promise<readonly DomainStats[]> {
      const flags = bitsOf(STATS_FLAGS, options);
      const args = { domains: options.domains ?? [], stats: bitsOf(STATS_GROUPS, groups), flags };
      return (await rpc.call('connectGetAllDomainStats', args, options)).records;
    },

    /** Writes the memory of a running domain to the host's disk and stops it: its next start goes on where it was. */
    async managedSave(domain: DomainRef, options: BitOptions<typeof SAVE_FLAGS> = {}): Promise<void> {
      await rpc.call('domainManagedSave', { domain, flags: bitsOf(SAVE_FLAGS, options) }, options);
    },

    /**
     * The addresses of a running domain, as the source knows them: leases of libvirt's own networks, the guest's agent,
     * or the host's ARP table.
     */
    async addresses(
      domain: DomainRef,
      source: keyof typeof ADDRESS_SOURCES,
      options?: CallOptions,
    ): Promise<readonly InterfaceAddress[]> {
      const args = { domain, source: ADDRESS_SOURCES[source], flags: 0 };
      const { interfaces } = await rpc.call('domainInterfaceAddresses', args, options);
      return interfaces.flatMap(({ mac, addresses }) =>
        addresses.map(({ type, address }) => ({
          ...(mac !== undefined && { mac }),
          type: IP_TYPES[type] ?? 'ipv6',
          address,
        })),
      );
    },

    async hasManagedSave(domain: DomainRef, options?: CallOptions): Promise<boolean> {
      return (await rpc.call('domainHasManagedSaveImage', { domain, flags: 0 }, options)).present;
    },

    /** Throws the saved memory away: the next start is a boot. */
    async removeManagedSave(domain: DomainRef, options?: CallOptions): Promise<void> {
      await rpc.call('domainManagedSaveRemove', { domain, flags: 0 }, options);
    },
  };
}

export type Domains = ReturnType<typeof domainCalls>;
