import type { DesiredVm } from './desired.ts';
import { type Fleet, isActive, type OwnedVm } from './fleet.ts';
import { liveObstacle, movesLive, wantsLive } from './live-move.ts';
import { isLeftBehind } from './mark.ts';
import { afterStep, type Leg, moveChain } from './move-chain.ts';
import { type Copies, sortCopies } from './move-copies.ts';
import { moveProblem } from './move-problems.ts';
import { abandonment, recallment, retirement } from './move-steps.ts';
import { movedVolumes, type Way } from './move-volumes.ts';
import type { KnownHost } from './observed.ts';
import type { WantedContext } from './plan-convergence.ts';
import { type Problem, silence, strangerProblem } from './plan-obstacles.ts';
import { planSnapshots } from './plan-snapshots.ts';
import { readyMark } from './ready-mark.ts';
import { mergeFirst, snapshotsOf } from './snapshot.ts';
import type { RecallStep, Step, Verdict } from './step.ts';

/** The VM is, or is to be again, on the host that git says; `first` and `last` end a move. */
export interface Staying {
  readonly first: readonly Step[];
  readonly owned: OwnedVm;
  readonly last: readonly Step[];
  /** The host that it has left, where its old copy is not retired yet. */
  readonly leftOn?: string;
}

/**
 * What follows for a VM that is, or was about to be, on another host than git says. Undefined: there is no move to speak of.
 *
 *   the VM           | a claim on                | what follows
 *   -----------------|---------------------------|-------------------------------------------------------
 *   on another host  | no host                   | depart, receive, then as if it were there, retire
 *   running there,   | no host, or this host     | migrate, then as if it were there, retire
 *   and may move live|                           |
 *   on its way live  | any host, and git wants   | abandon there, recall, and as if it had never left
 *                    | that no longer            |
 *   on its way here  | this host, or none        | receive, then as if it were there, retire
 *   on its way       | another host              | abandon there, depart to here, receive, ..., retire
 *   to another host  |                           |
 *   here, on its way | that host, or none        | abandon there, recall
 *   nowhere          | this host                 | held: what holds its disks is not there
 *   arrived, and its | -                         | retire the old copy, once the VM runs where it is to run
 *   old copy is not  |                           |
 *   retired          |                           |
 *
 * Held where something is in the way (`moveProblem`), or a host that has a part in it does not answer.
 */
export function planMove(
  vm: DesiredVm,
  host: KnownHost,
  context: WantedContext,
): Verdict | Staying | undefined {
  const all = context.fleet.copiesOf(vm);
  const copies = sortCopies(all);
  const { body, husk, claims, tombstones } = copies;
  const isMixed = all.some((copy) => copy.vm.name !== vm.name || copy.vm.uuid !== vm.uuid);
  if (copies.isDoubled || isMixed) return planMuddle(vm, all);
  if (body === undefined) return planLost(vm, copies, context.fleet);
  const started = claims.find((claim) => claim.vm.power !== 'shutoff');
  if (started !== undefined)
    return hold(
      vm,
      'conflict',
      movesLive(body)
        ? `its move to ${started.host} was cut short, and is not given up there yet: it is tried again then`
        : `it was started on ${started.host} before its disks were there: shut it off there`,
    );
  if (body.mark.state === 'migrating' && body.vm.power !== 'shutoff' && !movesLive(body))
    return hold(
      vm,
      'conflict',
      `it was on its way to ${body.mark.to?.host}, and somebody started it on ${body.host}: shut it off there`,
    );
  if (body.host === vm.host) return planStay(vm, copies, body, context);
  const from = context.fleet.known.get(body.host);
  if (from !== undefined && waitsPaused(vm, body, context.fleet))
    return planAnew(vm, { copies, body, husk, from, to: host }, context);
  if (body.mark.state === 'tombstone' && isActive(body)) return undefined;
  const rest = tombstones.find((copy) => copy.host === vm.host && !isLeftBehind(copy.mark));
  if (rest !== undefined)
    return hold(
      vm,
      'conflict',
      `it is on ${body.host}, and ${vm.host} keeps another one that was removed: purge that first`,
    );
  const silent = silentHost(vm, body, context.fleet);
  if (silent !== undefined) return hold(vm, 'unknown', silent);
  return from && planWay(vm, { copies, body, husk, from, to: host }, context);
}

/** Nobody can say which copy is the VM: a person has to, if a move is in it. */
function planMuddle(vm: DesiredVm, all: readonly OwnedVm[]): Verdict | undefined {
  const moving = all.find(({ mark }) => mark.state === 'migrating' || mark.state === 'arriving');
  if (moving === undefined) return undefined;
  const others = all.map((copy) => `${copy.vm.name} on ${copy.host} (${copy.mark.state})`).join(', ');
  return hold(
    vm,
    'conflict',
    `more than one VM could be this one: ${others}. Nothing is moved until one is left`,
  );
}

/** No host that answers has the VM; what is left of a move must not be taken for nothing. */
function planLost(vm: DesiredVm, { claims, tombstones }: Copies, fleet: Fleet): Verdict | undefined {
  const [claim] = claims;
  const source = claim?.mark.from?.host;
  if (claim !== undefined && source !== undefined) {
    const silent = fleet.unknown.has(source)
      ? `its disks come from ${source}, which does not answer: it goes on when ${source} is back`
      : undefined;
    return silent === undefined
      ? hold(
          vm,
          'conflict',
          `its disks were on their way from ${source} to ${claim.host}, and it is not on ${source} any more: ` +
            `define it again there, or undefine it on ${claim.host} to have it made anew`,
        )
      : hold(vm, 'unknown', silent);
  }
  const [old] = tombstones;
  const movedTo = old?.mark.removed?.movedTo;
  if (old === undefined || movedTo === undefined) return undefined;
  if (fleet.unknown.has(movedTo))
    return hold(vm, 'unknown', `it moved from ${old.host} to ${movedTo}, which does not answer`);
  return hold(
    vm,
    'conflict',
    `it moved from ${old.host} to ${movedTo}, and is not there any more: ${old.host} keeps its disks as they were then. ` +
      `Define it again on ${movedTo}, or undefine it on ${old.host} to have it made anew`,
  );
}

/** A host that does not answer, and without which nobody knows whether another copy may start. */
function silentHost(vm: DesiredVm, { host, mark }: OwnedVm, fleet: Fleet): string | undefined {
  const end = mark.to !== undefined && mark.to.host !== vm.host ? fleet.unknown.get(mark.to.host) : undefined;
  if (end !== undefined)
    return `it is on its way from ${host} to ${end.name}, which ${silence(end)}: what is there has to be seen first`;
  const seen = fleet.lastSeenOn(vm.name);
  return (
    seen &&
    `host ${seen.name} ${silence(seen)} and had this VM when it last answered. Bring it back, or take it out of operator.yaml if it is gone for good`
  );
}

function planStay(
  vm: DesiredVm,
  { husk, claims }: Copies,
  body: OwnedVm,
  context: WantedContext,
): Verdict | Staying | undefined {
  const isLeaving = body.mark.state === 'migrating';
  if (husk === undefined && claims.length === 0 && !isLeaving) return undefined;
  const [stranger] = context.fleet.strangersLike(vm);
  if (stranger !== undefined) return held(vm, { ...strangerProblem(vm, stranger), kind: 'move' });
  const silent =
    isLeaving && !waitsPaused(vm, body, context.fleet) ? silentHost(vm, body, context.fleet) : undefined;
  if (silent !== undefined) return hold(vm, 'unknown', silent);
  const abandons = claims.map((claim) => abandonment(claim, body, 'it stays where it is'));
  const recalled = isLeaving ? calledBack(vm, body, context) : body;
  const recall = isLeaving ? [recallOf(vm, body, { ...context, after: abandons })] : [];
  const isOff = vm.power !== 'on' || recalled.vm.power === 'running';
  const after = isOff ? [] : [`start ${vm.host}/${vm.name}`];
  // What a live move leaves hangs: it has to be gone before the VM is started.
  const hangs = husk !== undefined && movesLive(husk);
  const order = hangs ? { onceItRuns: false, after: [] } : { onceItRuns: vm.power === 'on', after };
  const retire = husk === undefined ? [] : [retirement(husk, body, { ...context, ...order })];
  return {
    first: [...abandons, ...recall, ...(hangs ? retire : [])],
    owned: recalled,
    last: hangs ? [] : retire,
    ...(husk && { leftOn: husk.host }),
  };
}

/** The VM once it is called back. */
function calledBack(vm: DesiredVm, body: OwnedVm, context: WantedContext): OwnedVm {
  const mark = readyMark(vm, context, body.mark);
  const power = movesLive(body) ? 'running' : body.vm.power;
  return { ...body, mark, vm: { ...body.vm, mark, power, autostart: vm.autostart } };
}

function recallOf(
  vm: DesiredVm,
  body: OwnedVm,
  context: WantedContext & { readonly after: readonly Step[] },
): RecallStep {
  const { fleet, after } = context;
  return recallment(body, {
    mark: readyMark(vm, context, body.mark),
    autostart: vm.autostart,
    fleet,
    after,
  });
}

/** A guest that a live move, cut short, has left paused, and that may go on: where it was to go is seen, and it is not there. */
function waitsPaused(vm: DesiredVm, body: OwnedVm, fleet: Fleet): boolean {
  const isSeen = fleet.known.has(body.mark.to?.host ?? '') && fleet.strangersLike(vm).length === 0;
  return movesLive(body) && body.vm.power === 'paused' && isSeen;
}

/** The same, where git has it on a host that does not answer: it is called back, and waits for that host as it was. */
export function planStranded(vm: DesiredVm, context: WantedContext): readonly Step[] {
  const { body, claims, isDoubled } = sortCopies(context.fleet.copiesOf(vm));
  const isStarted = claims.some((claim) => claim.vm.power !== 'shutoff');
  const isSame = body?.vm.name === vm.name && body.vm.uuid === vm.uuid;
  if (body === undefined || isDoubled || isStarted || !isSame || !waitsPaused(vm, body, context.fleet))
    return [];
  const abandons = claims.map((claim) => abandonment(claim, body, 'its move is given up'));
  return [...abandons, recallOf(vm, body, { ...context, after: abandons })];
}

/** It goes another way than the one that it is on while it runs: it is called back, and goes from there. */
function planAnew(vm: DesiredVm, leg: Leg, context: WantedContext): Verdict {
  const { copies, body } = leg;
  const abandons = copies.claims.map((claim) => abandonment(claim, body, 'its move is given up'));
  const recall = recallOf(vm, body, { ...context, after: abandons });
  const back = calledBack(vm, body, context);
  const anew = planWay(vm, { ...leg, copies: { ...copies, claims: [] }, body: back }, context);
  return { steps: [...abandons, recall, ...afterStep(anew.steps, recall)], held: anew.held };
}

function planWay(vm: DesiredVm, leg: Leg, context: WantedContext): Verdict {
  const { body, husk, from, to } = leg;
  const [stranger] = context.fleet.strangersLike(vm);
  if (stranger !== undefined) return held(vm, { ...strangerProblem(vm, stranger), kind: 'move' });
  const base = { host: body.host, vm: body.vm.name, uuid: body.vm.uuid, cluster: context.cluster };
  const snapshots = planSnapshots(body.vm, body.mark, {
    base,
    now: context.now,
    declared: vm.snapshots ?? [],
  });
  const all = [...snapshots.first, ...snapshots.last].filter(
    (step) => step.kind !== 'snapshot' || step.by === 'command',
  );
  const chain = body.mark.state === 'ready' ? all : [];
  const merged = new Set(chain.flatMap((step) => (step.kind === 'merge' ? [step.snapshot] : [])));
  const staying = snapshotsOf(body.mark).filter(({ name }) => !merged.has(name));
  if (staying.length > 0 || chain.some(({ kind }) => kind !== 'merge'))
    return {
      steps: chain,
      held: hold(vm, 'conflict', mergeFirst(body.mark) ?? 'a snapshot of it was asked for: merge that first')
        .held,
    };
  const { snapshots: _, ...mark } = body.mark;
  const seen: Way = { vm, found: body.vm, mark, from, to };
  const volumes = movedVolumes(seen);
  const obstacle = wantsLive(vm, body) ? liveObstacle(seen, volumes) : undefined;
  const isLive = wantsLive(vm, body) && obstacle === undefined;
  if (movesLive(body) && !(isLive && body.mark.to?.host === vm.host)) return planAnew(vm, leg, context);
  if (obstacle !== undefined && vm.migration === 'live')
    return hold(vm, 'conflict', `it is to move live (migration: live), and ${obstacle}`);
  const way: Way = { ...seen, isLive };
  const problem = moveProblem(way, volumes, context.policyOf(vm.host));
  if (problem !== undefined) return hold(vm, 'conflict', problem);
  const retired =
    husk === undefined ? [] : [retirement(husk, body, { ...context, onceItRuns: false, after: [] })];
  const first = [...retired, ...chain];
  const moved = moveChain(vm, { ...leg, way, volumes, first, ...(obstacle && { obstacle }) }, context);
  return { steps: [...first, ...moved.steps], held: moved.held };
}

function hold(vm: DesiredVm, because: Problem['because'], reason: string): Verdict {
  return held(vm, { because, kind: 'move', reason });
}

function held(vm: DesiredVm, problem: Problem): Verdict {
  return { steps: [], held: [{ host: vm.host, subject: vm.name, ...problem }] };
}
