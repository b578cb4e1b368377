import type { DesiredVm } from './desired.ts';
import type { OwnedVm } from './fleet.ts';
import type { Mark, Passage } from './mark.ts';
import type { Copies } from './move-copies.ts';
import { abandonment, retirement } from './move-steps.ts';
import { asArrived, type Way } from './move-volumes.ts';
import type { KnownHost } from './observed.ts';
import { convergence, type WantedContext } from './plan-convergence.ts';
import { settled } from './plan-drift.ts';
import { declaredSnapshot } from './plan-snapshots.ts';
import { forceOf, readyMark } from './ready-mark.ts';
import {
  type DepartStep,
  type MigrateStep,
  type MovedVolume,
  type ReceiveStep,
  type Step,
  stepId,
  type Verdict,
} from './step.ts';

/** A move from where the VM is to where git has it. */
export interface Leg {
  readonly copies: Copies;
  readonly body: OwnedVm;
  readonly husk: OwnedVm | undefined;
  readonly from: KnownHost;
  readonly to: KnownHost;
}

interface Prepared extends Leg {
  readonly way: Way;
  readonly volumes: readonly MovedVolume[];
  /** What is done before it sets off. */
  readonly first: readonly Step[];
  /** Why it is shut down although git would have it move live. */
  readonly obstacle?: string;
}

/** The steps themselves, in the order in which they are made. */
export function moveChain(vm: DesiredVm, prepared: Prepared, context: WantedContext): Verdict {
  const { copies, body, way, volumes } = prepared;
  const continued = copies.claims.find(
    (claim) => claim.host === vm.host && claim.mark.from?.host === body.host,
  );
  const abandons = copies.claims
    .filter((claim) => claim !== continued)
    .map((claim) => abandonment(claim, body, `it moves to ${vm.host}`));
  const isUnderWay = body.mark.to?.host === vm.host;
  const trip: Trip = {
    ...prepared,
    context,
    at: isUnderWay && body.mark.to ? body.mark.to.at : context.now.toISOString(),
    isContinued: continued !== undefined,
    after: [...abandons, ...prepared.first].map(stepId),
  };
  const departs = isUnderWay || way.isLive === true ? [] : [departure(vm, trip)];
  const arrival = arrivalOf(vm, departs.length === 0 ? trip : { ...trip, after: departs.map(stepId) });
  const arrived = { host: vm.host, vm: asArrived(way, volumes, arrival.mark), mark: arrival.mark };
  const { steps, held } = settledThere(vm, { arrival, arrived }, context);
  const start = steps.find(({ kind }) => kind === 'start') ?? arrival;
  const retire = retirement(body, arrived, {
    ...context,
    onceItRuns: vm.power === 'on' || way.isLive === true,
    after: [stepId(start)],
  });
  return { steps: [...abandons, ...departs, ...startsAfter(steps, body.host), retire], held };
}

interface Trip extends Prepared {
  readonly context: WantedContext;
  /** Since when it is on its way. */
  readonly at: string;
  /** An earlier try has left its claim. */
  readonly isContinued: boolean;
  /** Ids of what has to be done before. */
  readonly after: readonly string[];
}

function departure(vm: DesiredVm, trip: Trip): DepartStep {
  const { body, volumes, after, obstacle, context } = trip;
  const former = body.mark.to?.host;
  const why =
    body.mark.state === 'tombstone' ? `back in git, under ${vm.host}` : `git has it under ${vm.host} now`;
  return {
    ...baseOf(vm, context),
    ...forceOf(vm),
    ...(after.length > 0 && { after }),
    kind: 'depart',
    host: body.host,
    reason: obstacle === undefined ? why : `${why}; not live: ${obstacle}`,
    to: passage(vm.host, trip),
    ...(former !== undefined && context.fleet.known.has(former) && { formerly: former }),
    volumes,
    ...overlaid(vm),
  };
}

function arrivalOf(vm: DesiredVm, trip: Trip): ReceiveStep | MigrateStep {
  const { body, way, volumes, after, isContinued, context } = trip;
  const { removed: _r, to: _t, ...kept } = way.mark;
  const mark: Mark = {
    ...readyMark(vm, context, { ...kept, volumes: volumes.map(({ to }) => ({ ...to, made: true })) }),
    from: passage(body.host, trip),
  };
  const isLive = way.isLive === true;
  const from = isLive ? `live from ${body.host}` : `from ${body.host}`;
  return {
    ...baseOf(vm, context),
    kind: isLive ? 'migrate' : 'receive',
    host: vm.host,
    reason: isContinued ? `${from}; an earlier try was cut short` : from,
    ...(after.length > 0 && { after }),
    from: passage(body.host, trip),
    volumes,
    ...overlaid(vm),
    autostart: vm.autostart,
    mark,
    limits: context.copyLimits,
  };
}

/** All else that git says of it, once it is there. A restart waits: which run that would end shows when it runs there. */
function settledThere(
  vm: DesiredVm,
  { arrival, arrived }: { readonly arrival: Step; readonly arrived: OwnedVm },
  context: WantedContext,
): Verdict {
  const fleet = {
    ...context.fleet,
    usersOf: (file: string) => context.fleet.usersOf(file).filter((user) => user.vm.uuid !== vm.uuid),
  };
  const there = convergence(vm, arrived, { ...context, fleet });
  const base = { ...baseOf(vm, context), host: vm.host };
  const taken = (vm.snapshots ?? []).map((name) => declaredSnapshot(name, base, context.now));
  const steps = [...there.steps.filter(({ kind }) => kind !== 'restart'), ...taken];
  return settled(vm, { steps: [arrival, ...steps], held: there.held }, context.commit);
}

function passage(host: string, { at, context: { commit } }: Trip): Passage {
  return { host, at, commit };
}

function overlaid({ bootDisk }: DesiredVm): Pick<DepartStep, 'image'> {
  return bootDisk?.clone === 'overlay' ? { image: bootDisk.image } : {};
}

function baseOf({ name, uuid }: DesiredVm, { cluster }: WantedContext) {
  return { vm: name, uuid, cluster };
}

/**
 * The starts see for themselves that the copy which was left is off: somebody may have started it meanwhile. `first` are
 * steps on other hosts that have to be done by then.
 */
export function startsAfter(
  steps: readonly Step[],
  leftOn: string | undefined,
  first: readonly Step[] = [],
): readonly Step[] {
  if (leftOn === undefined) return steps;
  return steps.map((step) => {
    if (step.kind !== 'start') return step;
    const ids = first.filter(({ host }) => host !== step.host).map(stepId);
    return { ...step, ...(ids.length > 0 && { after: [...(step.after ?? []), ...ids] }), leftOn };
  });
}

/** The same steps, those of a move after another step. */
export function afterStep(steps: readonly Step[], first: Step): readonly Step[] {
  return steps.map((step) =>
    step.kind === 'depart' || step.kind === 'migrate'
      ? { ...step, after: [...(step.after ?? []), stepId(first)] }
      : step,
  );
}
