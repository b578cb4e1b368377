import type { TypedParams } from '../libvirt/typed-params.ts';
import type { Definition } from './definition.ts';
import { type Domain, definitionOf } from './domain.ts';
import { stateOf } from './domain-filter.ts';
import type { Storage } from './storage.ts';

/** virDomainStatsTypes. */
const GROUP = { state: 1, cpu: 2, balloon: 4, vcpu: 8, interface: 16, block: 32 } as const;

/** What libvirt tells of one domain, by its names; 0 for all groups. */
export function statsOf(domain: Domain, groups: number, storage: Storage): TypedParams {
  const wants = (group: number) => groups === 0 || (groups & group) !== 0;
  const definition = definitionOf(domain);
  const stats: Record<string, number | string | boolean> = {};
  // Into one object: a fleet is asked for this in every pass, and a spread copies what it has so far.
  if (wants(GROUP.state)) Object.assign(stats, stateStats(domain));
  if (wants(GROUP.cpu)) Object.assign(stats, cpuStats(domain));
  if (wants(GROUP.balloon)) Object.assign(stats, balloonStats(domain, definition));
  if (wants(GROUP.vcpu)) Object.assign(stats, vcpuStats(domain, definition));
  if (wants(GROUP.interface) && domain.run !== undefined) Object.assign(stats, interfaceStats(definition));
  if (wants(GROUP.block)) Object.assign(stats, blockStats(domain, definition, storage));
  return stats;
}

function stateStats(domain: Domain): TypedParams {
  const { state, reason } = stateOf(domain);
  return { 'state.state': state, 'state.reason': reason };
}

/** A simulated guest sleeps: no time passes for its processors. */
function cpuStats({ run }: Domain): TypedParams {
  const times = { 'cpu.time': 0, 'cpu.user': 0, 'cpu.system': 0 };
  if (run === undefined) return times;
  return {
    ...times,
    'cpu.cache.monitor.count': 0,
    'cpu.haltpoll.success.time': 0,
    'cpu.haltpoll.fail.time': 0,
  };
}

function balloonStats({ run }: Domain, { memoryKiB, maxMemoryKiB }: Definition): TypedParams {
  const sizes = { 'balloon.current': memoryKiB, 'balloon.maximum': maxMemoryKiB };
  return run === undefined ? sizes : { ...sizes, 'balloon.last-update': 0, 'balloon.rss': memoryKiB };
}

function vcpuStats({ run }: Domain, { vcpus, maxVcpus }: Definition): TypedParams {
  const stats: Record<string, number> = { 'vcpu.current': vcpus, 'vcpu.maximum': maxVcpus };
  if (run === undefined) return stats;
  for (let index = 0; index < vcpus; index++) {
    stats[`vcpu.${index}.state`] = 1;
    for (const name of ['time', 'wait', 'delay']) stats[`vcpu.${index}.${name}`] = 0;
  }
  return stats;
}

function interfaceStats({ bridges }: Definition): TypedParams {
  const stats: Record<string, number | string> = { 'net.count': bridges.length };
  for (const index of bridges.keys()) {
    stats[`net.${index}.name`] = `vnet${index}`;
    for (const way of ['rx', 'tx'])
      for (const what of ['bytes', 'pkts', 'errs', 'drop']) stats[`net.${index}.${way}.${what}`] = 0;
  }
  return stats;
}

function blockStats({ run }: Domain, { disks }: Definition, storage: Storage): TypedParams {
  const stats: Record<string, number | string> = { 'block.count': disks.length };
  let node = 1;
  for (const [index, { target, file }] of disks.entries()) {
    const name = `block.${index}`;
    stats[`${name}.name`] = target;
    if (file === undefined) continue;
    stats[`${name}.path`] = file;
    if (run !== undefined) Object.assign(stats, transferStats(name, node));
    node += storage.chainLength(file);
    const image = storage.file(file);
    if (image === undefined) continue;
    stats[`${name}.allocation`] = run === undefined ? image.allocationBytes : 0;
    stats[`${name}.capacity`] = image.capacityBytes;
    stats[`${name}.physical`] = run === undefined ? image.physicalBytes : image.allocationBytes;
  }
  return stats;
}

/** `node`: QEMU numbers the files of all disks, each disk's own before those behind it. */
function transferStats(name: string, node: number): TypedParams {
  const counters = [
    'rd.reqs',
    'rd.bytes',
    'rd.times',
    'wr.reqs',
    'wr.bytes',
    'wr.times',
    'fl.reqs',
    'fl.times',
  ];
  return {
    [`${name}.backingIndex`]: node,
    ...Object.fromEntries(counters.map((counter) => [`${name}.${counter}`, 0])),
  };
}
