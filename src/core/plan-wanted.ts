import { canBeMade, type DesiredVm, disksOf, type NewVm } from './desired.ts';
import { type Fleet, isActive, type OwnedVm } from './fleet.ts';
import { isIncomplete } from './mark.ts';
import { startsAfter } from './move-chain.ts';
import type { KnownHost, ObservedVm } from './observed.ts';
import { placementProblem } from './placement.ts';
import { adoptedVolumes, toAdopt } from './plan-adopt.ts';
import { convergence, type WantedContext } from './plan-convergence.ts';
import { judgeDrift, settled } from './plan-drift.ts';
import { hostnameStep, seedDisk, seedMark } from './plan-guest.ts';
import { planMove, planStranded } from './plan-move.ts';
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
import { readyMark } from './ready-mark.ts';
import { sizeOf } from './size.ts';
import { hasBootDisk, sourceProblem } from './source-vm.ts';
import type { CreateStep, Step, Verdict } from './step.ts';

/** What follows for a VM that is in git; `plan` has the table. */
export function planWanted(vm: DesiredVm, context: WantedContext): Verdict {
  const host = context.fleet.known.get(vm.host);
  if (host === undefined) {
    const steps = planStranded(vm, context);
    return steps.length > 0 ? { steps, held: [] } : planUnseen(vm, context.fleet);
  }

  const move = planMove(vm, host, context);
  if (move !== undefined && 'steps' in move) return move;
  if (move !== undefined) {
    const { steps: own, held } = planExisting(vm, move.owned, context);
    const steps = startsAfter(own, move.leftOn, move.first);
    const runs = vm.power !== 'on' || move.owned.vm.power === 'running';
    const last = runs || steps.some(({ kind }) => kind === 'start') ? move.last : [];
    return { steps: [...move.first, ...steps, ...last], held };
  }
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
  if (fleet.unknown.has(vm.host)) return planSilent(vm, fleet);
  const reason = `${vm.host} was not looked at: is it in operator.yaml?`;
  return hold(vm, { because: 'unknown', kind: 'create', reason });
}

/** It is down meanwhile: that is worth saying. */
function planSilent(vm: DesiredVm, fleet: Fleet): Verdict {
  const leaving = fleet.copiesOf(vm).find(({ mark }) => mark.state === 'migrating');
  if (leaving === undefined) return { steps: [], held: [] };
  const state = leaving.vm.power === 'shutoff' ? 'off' : leaving.vm.power;
  const reason = `it is on its way from ${leaving.host} to ${leaving.mark.to?.host}, and is ${state} until ${vm.host} answers`;
  return hold(vm, { because: 'unknown', kind: 'move', reason });
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

function hold(vm: DesiredVm, problem: Problem): Verdict {
  return { steps: [], held: [{ host: vm.host, subject: vm.name, ...problem }] };
}
