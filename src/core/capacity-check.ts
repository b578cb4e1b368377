import type { Amount, HostCapacity } from './capacity.ts';
import type { DesiredState, DesiredVm } from './desired.ts';
import type { Issue } from './issue.ts';
import type { KnownHost, ObservedState } from './observed.ts';
import { diskSizes, isGrowth } from './shrink.ts';
import { laneOf, type Plan, type Step, type StepKind, subjectOf } from './step.ts';
import { withhold } from './withhold.ts';

/** A resource of a host that git wants more of than there is. */
export interface Shortage {
  readonly host: string;
  /** What there is too little of: tells shortages of one host apart, whatever their numbers. */
  readonly resource: string;
  /** The whole sentence, with the numbers. */
  readonly message: string;
}

/**
 * Where git asks for more than a host may promise. What is over its limit already and does not grow is no shortage:
 * a removal is never refused because the host is too full.
 */
export function findShortages(capacity: readonly HostCapacity[]): Shortage[] {
  return capacity.flatMap((host) => {
    const short = (what: string, amount: Amount, format: (value: number) => string) =>
      isShort(amount)
        ? [{ host: host.host, resource: what, message: sentence(host, what, amount, format) }]
        : [];
    return [
      ...short('vcpus', host.vcpus, String),
      ...short('memory', host.memoryMiB, formatMiB),
      ...host.pools.flatMap((pool) => short(`pool ${pool.name}`, pool, formatBytes)),
    ];
  });
}

/** The host on which a step makes a place for a VM that was not there. */
function newPlaceOf(step: Step): string | undefined {
  if (step.kind === 'depart') return step.to.host;
  return step.kind === 'create' || step.kind === 'migrate' ? step.host : undefined;
}

/** New VMs on hosts that take none. */
export function drainedShortages({ steps }: Plan, desired: DesiredState): Shortage[] {
  return steps.flatMap((step) => {
    const host = newPlaceOf(step);
    if (host === undefined || desired.hosts.get(host)?.state !== 'drained') return [];
    const message = `host ${host} is drained (cluster.yaml), and ${subjectOf(step)} would be new there: put it under another host`;
    return [{ host, resource: `place for ${subjectOf(step)}`, message }];
  });
}

/** Shortages as mistakes of the commit, each at the first new or growing VM of that host. */
export function shortageIssues(
  shortages: readonly Shortage[],
  desired: DesiredState,
  observed: ObservedState,
): Issue[] {
  return shortages.map(({ host, message }) => {
    const vm = culprit(host, desired, observed);
    return { file: vm?.source.file ?? 'cluster.yaml', ...(vm && { line: vm.source.line }), message };
  });
}

const ARRIVING: readonly StepKind[] = ['create', 'restore', 'receive', 'migrate'];
/** What makes a VM that is there larger: it waits, and the VM is started all the same. */
const GROWING: readonly StepKind[] = ['attach', 'grow'];

/**
 * Holds back what would fill a host further: for a revision that is in force and a host that has become too full. A VM
 * that was there all the time is started all the same: its share was promised when its commit was accepted.
 */
export function holdForCapacity(plan: Plan, shortages: readonly Shortage[]): Plan {
  const full = new Map(shortages.map(({ host, message }) => [host, message]));
  const arriving = plan.steps.filter(({ host, kind }) => full.has(host) && ARRIVING.includes(kind));
  const newcomers = new Set(arriving.map(laneOf));
  const isHeld = (step: Step) =>
    newcomers.has(laneOf(step)) ||
    (step.kind === 'depart' && full.has(step.to.host)) ||
    (full.has(step.host) && GROWING.includes(step.kind));
  return withhold(plan, (step) =>
    isHeld(step)
      ? { because: 'capacity', reason: full.get(step.kind === 'depart' ? step.to.host : step.host) ?? '' }
      : undefined,
  );
}

function isShort({ wanted, limit, used }: Amount): boolean {
  return wanted > limit && wanted > used;
}

function sentence(
  host: HostCapacity,
  what: string,
  amount: Amount,
  format: (value: number) => string,
): string {
  const others =
    host.strangers.length === 0 ? '' : `; VMs that are not ours count: ${host.strangers.join(', ')}`;
  return (
    `host ${host.host} has no room: ${what} ${format(amount.wanted)} wanted, ${format(amount.limit)} to give, ` +
    `${format(amount.used)} used now (the host has ${format(amount.total)})${others}`
  );
}

function culprit(host: string, desired: DesiredState, observed: ObservedState): DesiredVm | undefined {
  const found = observed.hosts.get(host);
  const there = new Set(found?.kind === 'known' ? found.vms.map(({ name }) => name) : []);
  const candidates = [...desired.vms.values()].filter((vm) => vm.host === host);
  return (
    candidates.find(({ name }) => !there.has(name)) ??
    candidates.find((vm) => found?.kind === 'known' && isGrowing(vm, found)) ??
    candidates[0]
  );
}

/** One of its disks is to be larger than it is, or is not there. */
function isGrowing(vm: DesiredVm, host: KnownHost): boolean {
  const there = host.vms.find(({ name }) => name === vm.name);
  return (
    there !== undefined &&
    diskSizes(vm, there, host).some((size) => size.found === undefined || isGrowth(size))
  );
}

/** `1.5 GiB` */
export function formatMiB(mib: number): string {
  return `${Number((mib / 1024).toFixed(2))} GiB`;
}

/** `12.5 GiB`, `12 MiB` */
export function formatBytes(bytes: number): string {
  if (Math.abs(bytes) < 1024 ** 3) return `${Math.round(bytes / 1024 ** 2)} MiB`;
  return `${Number((bytes / 1024 ** 3).toFixed(1))} GiB`;
}
