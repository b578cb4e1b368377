import type { DesiredState, DesiredVm, HostPolicy } from './desired.ts';

/** What a reviewer may pass over: a change loosens what protects the VMs, or says that a host takes more. */
export function reviewNotes(base: DesiredState, merged: DesiredState): string[] {
  return [
    ...changes('policy', base.policy, merged.policy),
    ...[...merged.hosts.values()].flatMap((host) => hostChanges(base.hosts.get(host.name), host)),
    ...[...merged.vms.values()]
      .filter(({ name, protect }) => !protect && base.vms.get(name)?.protect === true)
      .map(({ name }) => `${name}: protect is taken away`),
  ];
}

/** How the VMs of two states differ, by name, without asking a host. */
export interface VmChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly moved: readonly string[];
  readonly changed: readonly string[];
}

export function vmChanges(base: DesiredState | undefined, merged: DesiredState): VmChanges {
  const before: DesiredState['vms'] = base?.vms ?? new Map();
  const both = [...merged.vms.values()].filter(({ name }) => before.has(name));
  const isMoved = (name: string) => before.get(name)?.host !== merged.vms.get(name)?.host;
  // Where it stands makes no difference; what its seed says does, and shows itself to nobody else.
  const words = (vm: DesiredVm | undefined) =>
    JSON.stringify([{ ...vm, source: undefined }, vm?.seed?.content.reveal()]);
  return {
    added: [...merged.vms.keys()].filter((name) => !before.has(name)),
    removed: [...before.keys()].filter((name) => !merged.vms.has(name)),
    moved: both.map(({ name }) => name).filter(isMoved),
    changed: both
      .filter((vm) => !isMoved(vm.name) && words(vm) !== words(before.get(vm.name)))
      .map(({ name }) => name),
  };
}

function hostChanges(before: HostPolicy | undefined, now: HostPolicy): string[] {
  if (before === undefined) return [];
  return [
    ...changes(now.name, { state: before.state }, { state: now.state }),
    ...changes(`${now.name}: reserve`, before.reserve, now.reserve),
    ...changes(`${now.name}: ratio`, before.ratio, now.ratio),
  ];
}

function changes<T extends object>(of: string, before: T, now: T): string[] {
  const [old, fresh] = [new Map(Object.entries(before)), new Map(Object.entries(now))];
  return [...fresh].flatMap(([key, value]) =>
    old.get(key) === value ? [] : [`${of}: ${key} ${String(old.get(key))} -> ${String(value)}`],
  );
}
