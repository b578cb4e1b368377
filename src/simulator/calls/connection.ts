import { AUTH } from '../../libvirt/protocol/connect.ts';
import type { Calls } from '../calls.ts';
import { capabilitiesXml, domainCapabilitiesXml } from '../capabilities.ts';
import { CODES, internalError, invalidArgument, LibvirtFailure } from '../failure.ts';

/** virDrvFeature: keepalive, typed parameters with strings, and those about fields that the daemon now knows. */
const FEATURES = [10, 13, 14, 15, 16];
const MIB_AS_KIB = 1024;
const QEMU_VERSION = 7_002_022;
const LIBVIRT_VERSION = 9_000_000;
const MEMORY_STATS = ['total', 'free', 'buffers', 'cached'] as const;
const ALL_CELLS = -1;

/** The connection itself, events, and the host. */
export const connectionCalls: Calls = {
  authList: () => ({ types: [AUTH.none] }),

  connectOpen(caller, { name }) {
    if (caller.opened) throw internalError('rpc', 'connection already open');
    checkUri(name);
    caller.opened = true;
    return undefined;
  },

  connectClose: () => undefined,
  connectSupportsFeature: (_, { feature }) => ({ supported: FEATURES.includes(feature) }),
  connectGetVersion: () => ({ version: QEMU_VERSION }),
  connectGetLibVersion: () => ({ version: LIBVIRT_VERSION }),
  connectGetHostname: ({ host }) => ({ hostname: host.name }),
  connectGetCapabilities: ({ host }) => ({ xml: capabilitiesXml(host.facts) }),
  connectGetDomainCapabilities: ({ host }, query) => ({ xml: domainCapabilitiesXml(host.facts, query) }),

  nodeGetInfo({ host: { facts } }) {
    const { cpus, memoryMiB, arch } = facts;
    const topology = { cpus, mhz: 2600, nodes: 1, sockets: 1, cores: cpus, threads: 1 };
    return { model: arch, memoryKiB: memoryMiB * MIB_AS_KIB, ...topology };
  },

  nodeGetMemoryStats({ host }, { count, cell }) {
    if (cell > 0)
      throw invalidArgument('none', 'cellNum in virHostMemGetStats must be less than or equal to 0');
    const names = cell === ALL_CELLS ? MEMORY_STATS : MEMORY_STATS.slice(0, 2);
    if (count === 0) return { stats: [], count: names.length };
    if (count !== names.length)
      throw invalidArgument('none', `nparams in virHostMemGetStatsLinux must be ${names.length}`);
    const sizes = memorySizes(host.facts.memoryMiB * MIB_AS_KIB, usedKiB(host.domains.all()));
    return { stats: names.map((field) => ({ field, valueKiB: sizes[field] })), count: 0 };
  },

  connectDomainEventCallbackRegisterAny(caller, { eventId, domain }) {
    const send = caller.send.bind(caller);
    const wanted = { eventId, uuid: domain?.uuid, subscriber: caller, send };
    return { callbackId: caller.host.events.subscribe(wanted) };
  },

  connectDomainEventCallbackDeregisterAny(caller, { callbackId }) {
    caller.host.events.unsubscribe(caller, callbackId);
    return undefined;
  },
};

function checkUri(uri: string | undefined): void {
  if (uri === undefined || uri === 'qemu:///system') return;
  if (!uri.startsWith('qemu:')) {
    throw new LibvirtFailure(CODES.NO_CONNECT, 'none', `no connection driver available for ${uri}`);
  }
  const path = uri.replace(/^qemu:\/\//, '');
  throw internalError('none', `unexpected qemu URI path '${path}', try qemu:///system`);
}

function usedKiB(domains: readonly { readonly run: { definition: { memoryKiB: number } } | undefined }[]) {
  return domains.reduce((sum, { run }) => sum + (run?.definition.memoryKiB ?? 0), 0);
}

function memorySizes(total: number, used: number): Record<(typeof MEMORY_STATS)[number], number> {
  return { total, free: Math.max(0, total - used), buffers: 0, cached: 0 };
}
