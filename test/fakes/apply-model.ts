import { settledMark } from '../../src/core/applied.ts';
import { disksOf } from '../../src/core/desired.ts';
import type { Mark, Passage } from '../../src/core/mark.ts';
import {
  type KnownHost,
  type ObservedPool,
  type ObservedState,
  type ObservedVm,
  volumeKey,
} from '../../src/core/observed.ts';
import type { KnownNames } from '../../src/core/observed-names.ts';
import { seedDisk } from '../../src/core/plan-guest.ts';
import { liveAfterResize } from '../../src/core/size.ts';
import {
  type CreateStep,
  isNamesStep,
  type MigrateStep,
  type NamesStep,
  type PoolStep,
  type ReceiveStep,
  type RetireStep,
  type Step,
  stepId,
  type VmStep,
} from '../../src/core/step.ts';
import { GIB } from '../builders.ts';
import { deviceChange } from './device-model.ts';
import { snapshotsAfter } from './snapshot-model.ts';

/** What the hosts show once every step is done: the meaning of a plan, in memory. */
export function applyToModel(observed: ObservedState, steps: readonly Step[]): ObservedState {
  return steps.reduce(applyStep, observed);
}

function applyStep(observed: ObservedState, step: Step): ObservedState {
  if (isNamesStep(step)) return { ...observed, names: namesAfter(observed, step) };
  const host = observed.hosts.get(step.host);
  if (host?.kind !== 'known') throw new Error(`${stepId(step)}: ${step.host} is not known`);
  if (step.kind === 'pool') {
    const pools = new Map(host.pools).set(step.pool.name, poolAfter(host, step));
    return { ...observed, hosts: new Map(observed.hosts).set(host.name, { ...host, pools }) };
  }
  if (step.kind === 'image') {
    const { pool, volume } = step.image;
    const whole = { capacity: 2 ** 31, allocation: 2 ** 30, verified: true };
    const volumes = new Map(host.volumes).set(volumeKey({ pool, name: volume }), whole);
    return { ...observed, hosts: new Map(observed.hosts).set(host.name, { ...host, volumes }) };
  }
  if (step.kind === 'migrate') return afterLiveMove(observed, host, step);
  const vms = step.kind === 'receive' ? vmsAfterMove(observed, host, step) : vmsAfter(host, step);
  return { ...observed, hosts: new Map(observed.hosts).set(host.name, { ...host, vms }) };
}

function namesAfter({ names }: ObservedState, step: NamesStep): KnownNames {
  if (names?.kind !== 'known') throw new Error(`${step.kind}: dnsmasq is not known`);
  if (step.kind === 'release')
    return { ...names, leases: names.leases.filter(({ address }) => address !== step.lease.address) };
  const written = (file: keyof typeof names.files) => ({ ...names.files[file], text: step.files[file] });
  return { ...names, isLoaded: true, files: { dhcpHosts: written('dhcpHosts'), hosts: written('hosts') } };
}

/** What another host had comes here, and says so. */
function vmsAfterMove(observed: ObservedState, host: KnownHost, step: ReceiveStep): ObservedVm[] {
  const source = observed.hosts.get(step.from.host);
  const found = source?.kind === 'known' ? source.vms.find((vm) => vm.uuid === step.uuid) : undefined;
  if (found?.mark?.state !== 'migrating' || found.mark.to?.host !== host.name)
    throw new Error(`receive: ${step.vm} has not left ${step.from.host}`);
  const there = host.vms.find((vm) => vm.uuid === step.uuid || vm.name === step.vm);
  if (there !== undefined && there.mark?.state !== 'arriving' && there.mark?.removed?.movedTo === undefined)
    throw new Error(`receive: ${host.name} has a ${step.vm}`);
  const { request: _, ...moved } = off(found);
  const arrived = { ...moved, autostart: step.autostart, mark: step.mark };
  return [...host.vms.filter((vm) => vm !== there), settledAs(arrived, step)];
}

/** It runs here, and what is left of it there is off, and says where it went. */
function afterLiveMove(observed: ObservedState, host: KnownHost, step: MigrateStep): ObservedState {
  const source = observed.hosts.get(step.from.host);
  const found = source?.kind === 'known' ? source.vms.find((vm) => vm.uuid === step.uuid) : undefined;
  if (source?.kind !== 'known' || found === undefined || found.power === 'shutoff')
    throw new Error(`migrate: ${step.vm} does not run on ${step.from.host}`);
  const there = host.vms.find((vm) => vm.uuid === step.uuid || vm.name === step.vm);
  if (there !== undefined && there.mark?.state !== 'arriving' && there.mark?.removed?.movedTo === undefined)
    throw new Error(`migrate: ${host.name} has a ${step.vm}`);
  const { request: _, ...moved } = found;
  const arrived = { ...moved, power: 'running' as const, autostart: step.autostart, mark: step.mark };
  const { removed: _r, ...mark } = departed(found, { ...step.from, host: host.name, live: true });
  const left = { ...off(moved), autostart: false, mark };
  const hosts = new Map(observed.hosts)
    .set(host.name, { ...host, vms: [...host.vms.filter((vm) => vm !== there), settledAs(arrived, step)] })
    .set(source.name, { ...source, vms: source.vms.map((vm) => (vm === found ? left : vm)) });
  return { ...observed, hosts };
}

function vmsAfter({ vms }: KnownHost, step: VmStep): ObservedVm[] {
  if (step.kind === 'create') return [...vms.filter(({ uuid }) => uuid !== step.uuid), created(step)];
  if (step.kind === 'receive' || step.kind === 'migrate') throw new Error('receive concerns two hosts');
  if (!vms.some((vm) => isOf(vm, step))) throw new Error(`${step.kind}: no ${step.vm} on ${step.host}`);
  if (step.kind === 'purge' || step.kind === 'abandon') return vms.filter((vm) => !isOf(vm, step));
  return vms.map((vm) => (isOf(vm, step) ? settledAs(changed(vm, step), step) : vm));
}

/** A step that completes what git declares says so in the mark. */
function settledAs(vm: ObservedVm, { settles }: VmStep): ObservedVm {
  return settles === undefined || vm.mark === undefined ? vm : { ...vm, mark: settledMark(vm.mark, settles) };
}

function poolAfter({ pools }: KnownHost, { pool }: PoolStep): ObservedPool {
  const size = { capacity: 2 ** 40, available: 2 ** 40 };
  return { ...size, ...pools.get(pool.name), ...pool, active: true };
}

function isOf(vm: ObservedVm, step: VmStep): boolean {
  const isNobodys = vm.mark === undefined && (vm.markError === undefined || vm.hasCopiedMark === true);
  const mayChange = step.kind === 'adopt' ? isNobodys : vm.mark?.cluster === step.cluster;
  return vm.uuid === step.uuid && vm.name === step.vm && mayChange;
}

function created({ spec, macs, mark, uuid }: CreateStep): ObservedVm {
  const disks = [...disksOf(spec), ...seedDisk(spec)];
  return {
    name: spec.name,
    uuid,
    power: 'shutoff',
    managedSave: false,
    persistent: true,
    autostart: spec.autostart,
    vcpus: spec.vcpus,
    memoryMiB: spec.memoryMiB,
    maxMemoryMiB: spec.maxMemoryMiB,
    ...(spec.title !== undefined && { title: spec.title }),
    ...(spec.description !== undefined && { description: spec.description }),
    macs,
    nics: macs.map((mac, index) => ({ mac, bridge: spec.nics[index]?.bridge ?? '' })),
    disks: disks.map((disk) => ({
      target: disk.target,
      file: `/pool/${disk.volume}`,
      ...('sizeGiB' in disk && disk.sizeGiB !== undefined && { capacity: disk.sizeGiB * GIB }),
    })),
    mark,
  };
}

/** What runs with the size that the definition has by now. */
function runningAnew(vm: ObservedVm): ObservedVm {
  const { vcpus, memoryMiB, maxMemoryMiB } = vm;
  const live = { vcpus, memoryMiB, maxMemoryMiB, maxVcpus: vcpus };
  return { ...off(vm), power: 'running', run: 100, live, managedSave: false };
}

function off(vm: ObservedVm): ObservedVm {
  const { run: _run, live: _live, liveDevices: _devices, ...rest } = vm;
  return { ...rest, power: 'shutoff' };
}

function changed(
  vm: ObservedVm,
  step: Exclude<VmStep, { kind: 'create' | 'purge' | 'receive' | 'migrate' | 'abandon' }>,
): ObservedVm {
  switch (step.kind) {
    case 'start':
    case 'restart':
      return runningAnew(vm);
    case 'stop':
      return off(vm);
    case 'autostart':
      return { ...vm, autostart: step.enabled };
    case 'resize':
      return { ...vm, ...step.to, ...(vm.live && { live: liveAfterResize(vm.live, step.to) }) };
    case 'grow':
    case 'attach':
    case 'detach':
    case 'reclaim':
    case 'rewire':
    case 'describe':
      return { ...vm, ...deviceChange(step, vm) };
    case 'seed':
      return markWith(vm, { seed: step.fingerprint });
    case 'hostname':
      return markWith(vm, { guestName: step.hostname });
    case 'adopt':
    case 'mark':
      return { ...vm, mark: step.mark };
    case 'remove':
      return { ...off(vm), autostart: false, mark: step.mark };
    case 'restore':
      return { ...vm, autostart: step.autostart, mark: step.mark };
    case 'snapshot':
    case 'merge':
      return snapshotsAfter(vm, step);
    case 'revert':
      return off(snapshotsAfter(vm, step));
    case 'request':
      return { ...vm, request: step.request };
    case 'depart':
      return { ...off(vm), autostart: false, mark: departed(vm, step.to) };
    case 'retire':
      return { ...vm, mark: retired(vm, step) };
    case 'recall':
      return { ...vm, autostart: step.autostart, mark: step.mark };
  }
}

function markWith(vm: ObservedVm, change: Partial<Mark>): ObservedVm {
  return vm.mark === undefined ? vm : { ...vm, mark: { ...vm.mark, ...change } };
}

function departed({ mark }: ObservedVm, to: Passage): Mark {
  if (mark === undefined) throw new Error('depart: no mark');
  const { removed: _, ...rest } = mark;
  return { ...rest, state: 'migrating', to };
}

function retired({ mark }: ObservedVm, { removed }: RetireStep): Mark {
  if (mark === undefined) throw new Error('retire: no mark');
  const { to: _, ...rest } = mark;
  return { ...rest, state: 'tombstone', protect: false, removed };
}
