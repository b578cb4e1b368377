import { canBeMade, type DesiredVm, disksOf, type HostPolicy, type Image, type NewVm } from './desired.ts';
import { type Fleet, isActive, type OwnedVm } from './fleet.ts';
import { isIncomplete, type Mark } from './mark.ts';
import type { KnownHost, ObservedVm } from './observed.ts';
import { placementProblem } from './placement.ts';
import type { PlanContext } from './plan.ts';
import { adoptedVolumes, toAdopt } from './plan-adopt.ts';
import { planCards } from './plan-cards.ts';
import { planDisks } from './plan-disks.ts';
import { judgeDrift, settled } from './plan-drift.ts';
import { hostnameStep, planGuest, seedDisk, seedMark } from './plan-guest.ts';
import {
  existingProblem,
  hiddenCopy,
  hiddenRival,
  lostProblem,
  type Problem,
  rivalProblem,
  strangerProblem,
  takenMac,
} from './plan-obstacles.ts';
import { declaredSnapshot, planSnapshots, type SnapshotPlan } from './plan-snapshots.ts';
import { sizeChange, sizeOf, untilRestart } from './size.ts';
import { hasBootDisk, sourceProblem } from './source-vm.ts';
import type { CreateStep, Step, Verdict } from './step.ts';

interface WantedContext extends PlanContext {
  readonly cluster: string;
  readonly fleet: Fleet;
  readonly policyOf: (host: string) => Pick<HostPolicy, 'pools'>;
  readonly images: readonly Image[];
  readonly tombstoneDays: number;
  readonly allocateMacs: (vm: DesiredVm) => readonly string[];
}

/** What follows for a VM that is in git; `plan` has the table. */
export function planWanted(vm: DesiredVm, context: WantedContext): Verdict {
  const host = context.fleet.known.get(vm.host);
  if (host === undefined) return planUnseen(vm, context.fleet);

  const copies = context.fleet.copiesOf(vm);
  const onHost = copies.filter((copy) => copy.host === vm.host);
  const here = onHost.find((copy) => copy.vm.name === vm.name) ?? onHost[0];
  const rival = copies.find((copy) => copy !== here && (isActive(copy) || here === undefined));
  if (rival !== undefined) return hold(vm, rivalProblem(vm, here, rival));
  const strangers = context.fleet.strangersLike(vm);
  const adoptee = here === undefined ? toAdopt(vm, strangers) : undefined;
  if (adoptee !== undefined) return planAdoption(vm, adoptee, host, context);
  const [stranger] = strangers;
  if (stranger !== undefined) return hold(vm, strangerProblem(vm, stranger));
  return here === undefined ? planAbsent(vm, host, context) : planExisting(vm, here, context);
}

/** Nothing follows on a host that does not answer: the report names it once for all its VMs. */
function planUnseen(vm: DesiredVm, fleet: Fleet): Verdict {
  if (fleet.unknown.has(vm.host)) return { steps: [], held: [] };
  const reason = `${vm.host} was not looked at: is it in operator.yaml?`;
  return hold(vm, { because: 'unknown', kind: 'create', reason });
}

function planAbsent(vm: DesiredVm, host: KnownHost, context: WantedContext): Verdict {
  const elsewhere = hiddenCopy(vm, context.fleet);
  if (elsewhere !== undefined) return hold(vm, { because: 'unknown', kind: 'create', reason: elsewhere });
  if (!canBeMade(vm)) return hold(vm, lostProblem(vm));
  const unreadable = sourceProblem(vm.bootDisk.image, host, context.fleet);
  if (unreadable !== undefined) return hold(vm, unreadable);
  const obstacle = placementProblem(vm, host, context.policyOf(vm.host)) ?? takenMac(vm, context.fleet);
  if (obstacle !== undefined) return hold(vm, { because: 'conflict', kind: 'create', reason: obstacle });
  return creation(vm, context);
}

/** Marks it, and has everything follow that follows for a VM of ours: nothing, where git says it as it is. */
function planAdoption(vm: DesiredVm, found: ObservedVm, host: KnownHost, context: WantedContext): Verdict {
  const mark = readyMark(vm, context, { volumes: adoptedVolumes(vm, found, { ...context, host }) });
  const problem = existingProblem(vm, found, mark);
  if (problem !== undefined) return hold(vm, problem);
  if (context.fleet.lastSeenOn(vm.name) !== undefined) {
    const reason = hiddenCopy(vm, context.fleet) ?? '';
    return hold(vm, { because: 'unknown', kind: 'adopt', reason });
  }
  const base = { host: vm.host, vm: vm.name, uuid: vm.uuid, cluster: context.cluster };
  const reason = 'it is there, and git names its uuid';
  const { steps, held } = convergence(vm, { host: vm.host, vm: found, mark }, context);
  const adopted = settled(
    vm,
    { steps: [{ ...base, kind: 'adopt', reason, mark }, ...steps], held },
    context.commit,
  );
  const snapshots = snapshotsOf(vm, { host: vm.host, vm: found, mark }, context);
  return around(adopted, { ...snapshots, first: [] });
}

function planExisting(vm: DesiredVm, seen: OwnedVm, context: WantedContext): Verdict {
  const { mark } = seen;
  if (isIncomplete(mark)) return planIncomplete(vm, seen, context);
  const snapshots = snapshotsOf(vm, seen, context);
  const found = snapshots.settled;
  const owned = { ...seen, vm: found };
  const problem = existingProblem(vm, found, mark);
  if (problem !== undefined) return hold(vm, problem);
  const hidden = hiddenRival(vm, found, mark, context.fleet);
  if (hidden !== undefined) return hold(vm, hidden);
  const verdict = convergence(vm, owned, context);
  if (mark.state === 'tombstone') return around(settled(vm, verdict, context.commit), snapshots);
  const base = { host: vm.host, vm: vm.name, uuid: found.uuid, cluster: context.cluster };
  const subject = { ...base, mark: readyMark(vm, context, mark) };
  const judged = judgeDrift(vm, verdict, { subject, size: sizeOf(found) });
  return around(judged, snapshots);
}

/** Nothing is done to its snapshots: it has none, whatever somebody asked for. */
function planIncomplete(vm: DesiredVm, { vm: found, mark }: OwnedVm, context: WantedContext): Verdict {
  const problem = existingProblem(vm, found, mark) ?? hiddenRival(vm, found, mark, context.fleet);
  return problem === undefined ? planUnfinished(vm, found, context) : hold(vm, problem);
}

function snapshotsOf(vm: DesiredVm, { vm: found, mark }: OwnedVm, context: WantedContext): SnapshotPlan {
  const base = { host: vm.host, vm: vm.name, uuid: found.uuid, cluster: context.cluster };
  return planSnapshots(found, mark, { base, now: context.now, declared: vm.snapshots ?? [] });
}

/** Nothing is done to the snapshots of a VM that is not restored yet. */
function around({ steps, held }: Verdict, snapshots: Omit<SnapshotPlan, 'settled'>): Verdict {
  const { first, last } = snapshots;
  const isRestore = ({ kind }: Step) => kind === 'restore';
  const rest = steps.filter((step) => !isRestore(step));
  return {
    steps: [...steps.filter(isRestore), ...first, ...rest, ...last],
    held: [...held, ...snapshots.held],
  };
}

/** What it takes to make a complete VM of ours, kept or removed, as git says. */
function convergence(vm: DesiredVm, { vm: found, mark }: OwnedVm, context: WantedContext): Verdict {
  const base = { host: vm.host, vm: vm.name, uuid: found.uuid, cluster: context.cluster };
  const wantedMark = readyMark(vm, context, mark);
  const steps: Step[] = [];
  if (mark.state === 'tombstone') {
    steps.push({
      ...base,
      kind: 'restore',
      reason: 'back in git',
      autostart: vm.autostart,
      mark: wantedMark,
    });
  } else {
    const changed = markChange(mark, wantedMark);
    if (changed !== undefined) steps.push({ ...base, kind: 'mark', reason: changed, mark: wantedMark });
    if (found.autostart !== vm.autostart) {
      steps.push({
        ...base,
        kind: 'autostart',
        reason: `autostart is ${vm.autostart} in git`,
        enabled: vm.autostart,
      });
    }
  }
  const resize = sizeChange(found, vm);
  if (resize !== undefined) steps.push({ ...base, kind: 'resize', reason: resize, to: sizeOf(vm) });
  const devices = planDevices(vm, { host: vm.host, vm: found, mark }, context);
  steps.push(...devices.steps.filter(({ kind }) => kind !== 'reclaim'));
  if (vm.power === 'on' && found.power === 'shutoff') {
    steps.push({
      ...base,
      kind: 'start',
      reason: startReason(found, mark),
    });
  }
  if (vm.power === 'off' && found.power !== 'shutoff') {
    const state = found.power === 'other' ? 'not shut off' : found.power;
    steps.push({ ...base, ...forceOf(vm), kind: 'stop', reason: `${state}, and power is off in git` });
  }
  const pending = untilRestart(vm, found);
  if (pending !== undefined && vm.power === 'on' && vm.restart === 'allowed' && found.run !== undefined) {
    steps.push({ ...base, ...forceOf(vm), kind: 'restart', reason: pending, run: found.run });
  }
  const guest = planGuest(vm, found, { ...base, mark });
  // Last: what cannot be deleted keeps no VM from its start.
  const deletions = devices.steps.filter(({ kind }) => kind === 'reclaim');
  return { steps: [...steps, ...guest.steps, ...deletions], held: [...devices.held, ...guest.held] };
}

function planDevices(vm: DesiredVm, { vm: found, mark }: OwnedVm, context: WantedContext): Verdict {
  const host = context.fleet.known.get(vm.host);
  if (host === undefined) return { steps: [], held: [] };
  const base = { host: vm.host, vm: vm.name, uuid: found.uuid, cluster: context.cluster };
  const cards = planCards({ ...context, vm, found, base });
  const policy = context.policyOf(vm.host);
  const disks = planDisks({ ...context, vm, found, base, mark, host, policy });
  return { steps: [...cards.steps, ...disks.steps], held: [...cards.held, ...disks.held] };
}

function startReason({ managedSave }: ObservedVm, { state }: Mark): string {
  const reason = state === 'tombstone' ? 'back in git' : 'shut off, and power is on in git';
  return managedSave ? `${reason}; its memory was saved: it goes on where it was` : reason;
}

/** What the mark says otherwise than git by now, of what a removal will have to know. */
function markChange(mark: Mark, wanted: Mark): string | undefined {
  const texts = ({ file, protect, force, dependsOn = [] }: Mark) => ({
    'manifest file': file,
    protect: String(protect),
    force: String(force),
    dependsOn: dependsOn.join(' '),
  });
  const there = new Map(Object.entries(texts(mark)));
  const changed = Object.entries(texts(wanted)).filter(([what, text]) => there.get(what) !== text);
  return changed.length === 0 ? undefined : `${changed.map(([what]) => what).join(', ')} changed in git`;
}

function forceOf({ force }: Pick<Mark, 'force'>): Pick<Mark, 'force'> {
  return force === undefined ? {} : { force };
}

function planUnfinished(vm: DesiredVm, found: ObservedVm, context: WantedContext): Verdict {
  if (!canBeMade(vm)) return hold(vm, lostProblem(vm));
  const host = context.fleet.known.get(vm.host);
  const needsSource = host !== undefined && !hasBootDisk(vm, found);
  const unreadable = needsSource ? sourceProblem(vm.bootDisk.image, host, context.fleet) : undefined;
  if (unreadable !== undefined) return hold(vm, unreadable);
  return creation(vm, context, found);
}

/** `begun`: what an earlier try left; it keeps the MAC addresses that it was given. */
function creation(vm: NewVm, context: WantedContext, begun?: ObservedVm): Verdict {
  const given = begun?.macs.length === vm.nics.length ? begun.macs : context.allocateMacs(vm);
  const base = { host: vm.host, vm: vm.name, uuid: vm.uuid, cluster: context.cluster };
  const macs = vm.nics.map((nic, index) => nic.mac?.toLowerCase() ?? given[index] ?? '');
  const volumes = [...disksOf(vm), ...seedDisk(vm)].map(({ target, pool, volume }) => ({
    target,
    pool,
    name: volume,
    made: true,
  }));
  const create: CreateStep = {
    ...base,
    kind: 'create',
    reason: begun ? 'an earlier try was cut short' : 'in git, not on the host',
    spec: vm,
    macs,
    mark: readyMark(vm, context, { volumes, ...seedMark(vm, macs) }),
    resume: begun !== undefined,
  };
  const started: Step[] = [{ ...base, kind: 'start', reason: 'new' }, ...hostnameStep(vm, base)];
  const taken = (vm.snapshots ?? []).map((name) => declaredSnapshot(name, base, context.now));
  const steps = [create, ...taken, ...(vm.power === 'on' ? started : [])];
  return settled(vm, { steps, held: [] }, context.commit);
}

function readyMark(
  vm: DesiredVm,
  context: WantedContext,
  kept: Pick<Mark, 'volumes' | 'applied' | 'spec' | 'seed' | 'guestName' | 'snapshots'>,
): Mark {
  const { volumes, applied, spec, seed, guestName, snapshots } = kept;
  return {
    cluster: context.cluster,
    uuid: vm.uuid,
    state: 'ready',
    file: vm.source.file,
    commit: context.commit,
    protect: vm.protect,
    ...forceOf(vm),
    ...(vm.dependsOn.length > 0 && { dependsOn: vm.dependsOn }),
    ...(applied !== undefined && { applied }),
    ...(spec !== undefined && { spec }),
    ...(seed !== undefined && { seed }),
    ...(guestName !== undefined && { guestName }),
    volumes,
    ...(snapshots !== undefined && { snapshots }),
  };
}

function hold(vm: DesiredVm, problem: Problem): Verdict {
  return { steps: [], held: [{ host: vm.host, subject: vm.name, ...problem }] };
}
