import type { DesiredState } from './desired.ts';
import { arrangeFleet } from './fleet.ts';
import { findClashes, type NameClash } from './name-clashes.ts';
import { type KeptEntry, nameEntries } from './name-entries.ts';
import { clusterOfFile, type NameEntry, readNames, renderNames } from './names-files.ts';
import { DNSMASQ, type Obstacle, PUBLISH_ID } from './names-subject.ts';
import type { ObservedState } from './observed.ts';
import { currentLeases, type KnownNames } from './observed-names.ts';
import { coversVm, type Pause } from './pause.ts';
import { planLeases } from './plan-leases.ts';
import { type Held, type Plan, type PublishStep, type ReleaseStep, type Step, stepId } from './step.ts';
import { withhold } from './withhold.ts';

export interface NamedPlan {
  readonly plan: Plan;
  /** Mistakes of a commit that is not in force yet. */
  readonly clashes: readonly NameClash[];
}

export interface NamesContext {
  readonly plan: Plan;
  readonly now: Date;
  /** VMs under one of these keep the names and addresses that they have. */
  readonly pauses?: readonly Pause[];
}

/**
 * Adds to a plan what dnsmasq is to be told. The names of all VMs are one step, of no consequence for VMs whose entry
 * stays as it is; one whose entry is new or changed starts after it, and after the release of a lease in its way.
 */
export function planNames(
  desired: DesiredState,
  observed: ObservedState,
  { plan, now, pauses = [] }: NamesContext,
): NamedPlan {
  const { names } = observed;
  if (names?.kind !== 'known') return { plan, clashes: [] };
  const fleet = arrangeFleet(desired.cluster, observed);
  const present = readNames(names.files);
  const current = currentLeases(names.leases, now);
  const { wanted, kept } = nameEntries(desired, { fleet, plan, present, leases: current });
  const clashes = findClashes(wanted, names);
  const obstacles = new Map<string, Obstacle>([
    ...rivalries(wanted, kept),
    ...clashes.map(({ vm, message }) => [vm, clashObstacle(message)] as const),
    ...(pauses.length === 0 ? [] : pausedEntries(changedVms(wanted, present), desired, pauses)),
  ]);
  const entries = possibleEntries(wanted, obstacles, present);
  const leases = planLeases(entries, { desired, fleet, plan, present, leases: current });
  const all = [...entries, ...kept.map(({ entry }) => entry)];
  const writing = publishStep(desired.cluster, all, names);
  const changed = names.isLoaded ? changedVms(all, present) : new Set(all.map(({ vm }) => vm));
  const refused = typeof writing === 'string' ? writing : undefined;
  for (const vm of refused === undefined ? [] : changed) obstacles.set(vm, fileObstacle(refused ?? ''));
  for (const [vm, obstacle] of leases.obstacles) obstacles.set(vm, obstacle);

  const steps = [...(typeof writing === 'object' ? [writing] : []), ...leases.releases];
  const whole = {
    ...plan,
    steps: [...afterNames(plan.steps, entries, { changed, releases: leases.releases }), ...steps],
  };
  return { plan: holdStarts(whole, desired, { obstacles, refused }), clashes };
}

/** What is new or changed of VMs that are left alone. */
function pausedEntries(
  changed: ReadonlySet<string>,
  { vms }: DesiredState,
  pauses: readonly Pause[],
): [string, Obstacle][] {
  return [...changed].flatMap((vm): [string, Obstacle][] => {
    const host = vms.get(vm)?.host;
    const pause = host === undefined ? undefined : pauses.find(({ scope }) => coversVm(scope, { host, vm }));
    if (pause === undefined) return [];
    const { because, reason } = pause;
    return [[vm, { because, reason, whileRunning: true, isNoHindrance: true }]];
  });
}

/** What cannot be as git has it stays as it is, unless somebody else is to have it. */
function possibleEntries(
  wanted: readonly NameEntry[],
  obstacles: ReadonlyMap<string, Obstacle>,
  present: ReadonlyMap<string, NameEntry>,
): NameEntry[] {
  const possible = wanted.filter(({ vm }) => !obstacles.has(vm));
  if (obstacles.size === 0) return possible;
  const taken = new Set(possible.flatMap(claims));
  const old = [...obstacles.keys()].flatMap((vm) => present.get(vm) ?? []);
  return [...possible, ...old.filter((entry) => !claims(entry).some((claim) => taken.has(claim)))];
}

/** Text: why the files are not written. Undefined: dnsmasq has them as they are to be. */
function publishStep(
  cluster: string,
  entries: readonly NameEntry[],
  { files, isLoaded }: KnownNames,
): PublishStep | string | undefined {
  const wanted = renderNames({ cluster, path: files.hosts.path }, entries);
  for (const { path, text } of [files.dhcpHosts, files.hosts]) {
    const owner = clusterOfFile(text);
    if (text.trim() === '' || owner === cluster) continue;
    return `${path} is ${owner === undefined ? 'not written by us' : `that of cluster ${owner}`}: move it away, or give us another folder`;
  }
  const isWritten = files.dhcpHosts.text === wanted.dhcpHosts && files.hosts.text === wanted.hosts;
  if (isWritten && isLoaded) return undefined;
  return {
    kind: 'publish',
    host: DNSMASQ,
    cluster,
    files: wanted,
    reason: isWritten ? 'dnsmasq has not read them' : changeInWords(entries, readNames(files)),
  };
}

function changeInWords(entries: readonly NameEntry[], present: ReadonlyMap<string, NameEntry>): string {
  const changed = changedVms(entries, present).size;
  const left = new Set(entries.map(({ vm }) => vm));
  const gone = [...present.keys()].filter((vm) => !left.has(vm)).length;
  const parts = [
    ...(changed === 0 ? [] : [`${changed} new or changed`]),
    ...(gone === 0 ? [] : [`${gone} gone`]),
  ];
  return parts.length === 0 ? 'not as they are to be' : parts.join(', ');
}

function changedVms(entries: readonly NameEntry[], present: ReadonlyMap<string, NameEntry>): Set<string> {
  const isSame = (a: NameEntry, b: NameEntry | undefined) =>
    a.mac === b?.mac && a.formerMac === b.formerMac && a.address === b.address && a.hostname === b.hostname;
  return new Set(entries.filter((entry) => !isSame(entry, present.get(entry.vm))).map(({ vm }) => vm));
}

/** Guests boot once their reservation stands. */
function afterNames(
  steps: readonly Step[],
  entries: readonly NameEntry[],
  { changed, releases }: { readonly changed: ReadonlySet<string>; readonly releases: readonly ReleaseStep[] },
): Step[] {
  const address = new Map(entries.map((entry) => [entry.vm, entry.address]));
  const released = new Map(releases.map((step) => [step.lease.address, stepId(step)]));
  return steps.map((step) => {
    if (step.kind !== 'start' && step.kind !== 'restart') return step;
    const release = released.get(address.get(step.vm) ?? '');
    const after = [
      ...(changed.has(step.vm) ? [PUBLISH_ID] : []),
      ...(release === undefined ? [] : [release]),
    ];
    return after.length === 0 ? step : { ...step, after: [...(step.after ?? []), ...after] };
  });
}

/** A VM that would boot without its address is not started; of one that runs it is said. */
function holdStarts(
  plan: Plan,
  desired: DesiredState,
  {
    obstacles,
    refused,
  }: { readonly obstacles: ReadonlyMap<string, Obstacle>; readonly refused: string | undefined },
): Plan {
  const held: Held[] =
    refused === undefined
      ? []
      : [{ host: DNSMASQ, subject: 'names', kind: 'publish', because: 'conflict', reason: refused }];
  const starting = new Set(plan.steps.flatMap((step) => (step.kind === 'start' ? [step.vm] : [])));
  for (const [name, { because, reason, whileRunning }] of obstacles) {
    const host = desired.vms.get(name)?.host;
    if (whileRunning && !starting.has(name) && host !== undefined)
      held.push({ host, subject: name, kind: 'publish', because, reason });
  }
  const withheld = withhold(plan, (step) => {
    const obstacle = step.kind === 'start' ? obstacles.get(step.vm) : undefined;
    return obstacle?.isNoHindrance ? undefined : obstacle;
  });
  return held.length === 0 ? withheld : { ...withheld, held: [...withheld.held, ...held] };
}

/** What a VM that git no longer has, and that may still run, has of what another one is to have. */
function rivalries(wanted: readonly NameEntry[], kept: readonly KeptEntry[]): [string, Obstacle][] {
  if (kept.length === 0) return [];
  const taken = new Map(kept.flatMap((one) => claims(one.entry).map((claim) => [claim, one] as const)));
  return wanted.flatMap((entry): [string, Obstacle][] => {
    const claim = claims(entry).find((one) => taken.has(one));
    const rival = claim === undefined ? undefined : taken.get(claim);
    if (rival === undefined) return [];
    const reason = `${claim} is still that of ${rival.entry.vm}, ${rival.reason}`;
    return [[entry.vm, { because: rival.because, reason, whileRunning: true }]];
  });
}

function claims({ address, mac, formerMac, hostname, vm }: NameEntry): string[] {
  return [address, mac, hostname, vm, ...(formerMac === undefined ? [] : [formerMac])];
}

function clashObstacle(reason: string): Obstacle {
  return { because: 'conflict', reason, whileRunning: true };
}

function fileObstacle(reason: string): Obstacle {
  return { because: 'conflict', reason: `its address cannot be reserved: ${reason}`, whileRunning: false };
}
