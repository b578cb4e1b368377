import type { DesiredState, HostPolicy, Policy } from './desired.ts';
import { type VmChange, vmChange } from './vm-history.ts';

/** What a reviewer may pass over: a change loosens what protects the VMs, or says that a host takes more. */
export function reviewNotes(base: DesiredState, merged: DesiredState): string[] {
  return [
    ...changes('policy', guards(base.policy), guards(merged.policy)),
    ...freezeChanges(base.policy, merged.policy),
    ...[...merged.hosts.values()].flatMap((host) => hostChanges(base.hosts.get(host.name), host)),
    ...[...merged.vms.values()]
      .filter(({ name, protect }) => !protect && base.vms.get(name)?.protect === true)
      .map(({ name }) => `${name}: protect is taken away`),
  ];
}

/** How the VMs of two states differ, by name, without asking a host. */
export type VmChanges = Readonly<Record<VmChange['kind'], readonly string[]>>;

export function vmChanges(base: DesiredState | undefined, merged: DesiredState): VmChanges {
  const names = new Set([...merged.vms.keys(), ...(base?.vms.keys() ?? [])]);
  const kinds = [...names].map(
    (name) => [name, vmChange(base?.vms.get(name), merged.vms.get(name))?.kind] as const,
  );
  const of = (kind: VmChange['kind']) => kinds.flatMap(([name, found]) => (found === kind ? [name] : []));
  return { added: of('added'), removed: of('removed'), moved: of('moved'), changed: of('changed') };
}

function guards({ maxRemovals, tombstoneDays, nPlusOne }: Policy) {
  return { maxRemovals, tombstoneDays, nPlusOne };
}

function freezeChanges({ freezes: before = [] }: Policy, { freezes: now = [] }: Policy): string[] {
  return before.flatMap((freeze) => {
    const same = now.find(({ name }) => name === freeze.name);
    if (same === undefined) return [`freeze "${freeze.name}" is taken away`];
    return JSON.stringify(same) === JSON.stringify(freeze) ? [] : [`freeze "${freeze.name}" is changed`];
  });
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
