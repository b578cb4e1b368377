import type { RpcConnection } from './connection.ts';
import type { CallOptions } from './pending-calls.ts';

const ALL_CELLS = -1;

export interface NodeInfo {
  readonly model: string;
  readonly memoryKiB: number;
  readonly cpus: number;
  readonly mhz: number;
  readonly nodes: number;
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
}

/** Which machine's capabilities are asked for; the hypervisor's default for what is left out. */
export interface DomainCapabilitiesQuery {
  readonly emulator?: string | undefined;
  readonly arch?: string | undefined;
  readonly machine?: string | undefined;
  /** Such as `kvm` or `qemu`. */
  readonly virtType?: string | undefined;
}

/** What can be asked about the host. */
export function nodeCalls(rpc: RpcConnection) {
  return {
    info(options?: CallOptions): Promise<NodeInfo> {
      return rpc.call('nodeGetInfo', undefined, options);
    },

    /** KiB by libvirt's names: `total`, `free`, `buffers`, `cached`. */
    async memoryStats(options?: CallOptions): Promise<Readonly<Record<string, number>>> {
      const args = { cell: ALL_CELLS, flags: 0 };
      const { count } = await rpc.call('nodeGetMemoryStats', { ...args, count: 0 }, options);
      const { stats } = await rpc.call('nodeGetMemoryStats', { ...args, count }, options);
      return Object.fromEntries(stats.map(({ field, valueKiB }) => [field, valueKiB]));
    },

    /** The host's capabilities, as XML. */
    async capabilities(options?: CallOptions): Promise<string> {
      return (await rpc.call('connectGetCapabilities', undefined, options)).xml;
    },

    /** What a guest can have on this host, as XML. */
    async domainCapabilities(query: DomainCapabilitiesQuery = {}, options?: CallOptions): Promise<string> {
      const { emulator, arch, machine, virtType } = query;
      const args = { emulator, arch, machine, virtType, flags: 0 };
      return (await rpc.call('connectGetDomainCapabilities', args, options)).xml;
    },

    async hostname(options?: CallOptions): Promise<string> {
      return (await rpc.call('connectGetHostname', undefined, options)).hostname;
    },

    /** Such as `9.0.0`. */
    async libvirtVersion(options?: CallOptions): Promise<string> {
      return versionText((await rpc.call('connectGetLibVersion', undefined, options)).version);
    },

    /** QEMU's version, such as `7.2.17`. */
    async hypervisorVersion(options?: CallOptions): Promise<string> {
      return versionText((await rpc.call('connectGetVersion', undefined, options)).version);
    },
  };
}

export type Node = ReturnType<typeof nodeCalls>;

function versionText(version: number): string {
  return [Math.floor(version / 1_000_000), Math.floor(version / 1000) % 1000, version % 1000].join('.');
}
