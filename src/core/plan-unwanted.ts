import type { DesiredState } from './desired.ts';
import { type Fleet, isActive, type OwnedVm } from './fleet.ts';
import { movesLive } from './live-move.ts';
import { isLeftBehind } from './mark.ts';
import { hasGone } from './move-copies.ts';
import { abandonment, retirement } from './move-steps.ts';
import type { PlanContext } from './plan.ts';
import { planSnapshots } from './plan-snapshots.ts';
import { volumesFromTheTop } from './snapshot.ts';
import { type Held, type RemoveStep, type Step, stepId, type Verdict, type VmStep } from './step.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

/** What follows for the VMs of ours that git does not declare; `plan` has the table. */
export function planUnwanted(desired: DesiredState, fleet: Fleet, context: PlanContext): Verdict[] {
  const wantedUuids = new Set([...desired.vms.values()].map((vm) => vm.uuid));
  return fleet.owned
    .filter(({ vm }) => !desired.vms.has(vm.name) && !wantedUuids.has(vm.uuid))
    .map((owned) => verdict(owned, desired.policy.tombstoneDays, { ...context, fleet }))
    .concat(leftBehind(desired, fleet, context));
}

/** Tombstones of VMs that live on under another host: only their date counts. */
function leftBehind(desired: DesiredState, fleet: Fleet, context: PlanContext): Verdict[] {
  return fleet.owned
    .filter((owned) => {
      const wanted = desired.vms.get(owned.vm.name);
      if (wanted === undefined || isActive(owned) || wanted.host === owned.host) return false;
      return fleet.copiesOf(wanted).some((copy) => copy.host === wanted.host && copy.mark.state === 'ready');
    })
    .map((owned) => purgeWhenDue(owned, { ...context, fleet }));
}

interface UnwantedContext extends PlanContext {
  readonly fleet: Fleet;
}

function verdict(owned: OwnedVm, tombstoneDays: number, context: UnwantedContext): Verdict {
  switch (owned.mark.state) {
    case 'building':
      if (owned.vm.power !== 'shutoff')
        return hold(owned, 'remove', 'it was started before its disks were complete');
      return one(removal(owned, tombstoneDays, context));
    case 'ready':
      if (!owned.vm.persistent) return hold(owned, 'remove', 'its definition is gone and it only runs on');
      return removeSettled(owned, removal(owned, tombstoneDays, context), context);
    case 'migrating':
      return endMove(owned, tombstoneDays, context);
    case 'arriving':
      return withdraw(owned, context.fleet);
    case 'tombstone':
      return purgeWhenDue(owned, context);
  }
}

/** It is removed where it is: on the host that it has reached, or on the one that it has not left for good. */
function endMove(owned: OwnedVm, tombstoneDays: number, context: UnwantedContext): Verdict {
  const { fleet } = context;
  const to = owned.mark.to?.host ?? '';
  if (fleet.unknown.has(to))
    return hold(owned, 'remove', `it is on its way to ${to}, which does not answer`, 'unknown');
  if (owned.vm.power !== 'shutoff' && !movesLive(owned))
    return hold(owned, 'remove', `it was on its way to ${to}, and somebody started it: shut it off`);
  const there = fleet
    .copiesOf(owned.vm)
    .filter((copy) => copy.host === to && copy !== owned && (!isLeftBehind(copy.mark) || isActive(copy)));
  const body = there.find((copy) => hasGone(owned, copy));
  if (body !== undefined)
    return one(retirement(owned, body, { ...context, tombstoneDays, onceItRuns: false, after: [] }));
  if (there.some(({ mark }) => mark.state !== 'arriving'))
    return hold(owned, 'remove', `it is on its way to ${to}, and there is another copy that is ours`);
  const { to: _, ...rest } = owned.mark;
  const after = there.map((claim) => stepId(abandonment(claim, owned, 'gone from git')));
  const removed = removal({ ...owned, mark: { ...rest, state: 'ready' } }, tombstoneDays, context);
  return one({
    ...removed,
    ...(after.length > 0 && { after }),
    ...(fleet.known.has(to) && { formerly: to }),
  });
}

/** The claim of a move goes where the VM itself is seen; what was copied may be the last there is. */
function withdraw(claim: OwnedVm, fleet: Fleet): Verdict {
  const from = claim.mark.from?.host ?? '';
  if (fleet.unknown.has(from))
    return hold(claim, 'abandon', `its disks come from ${from}, which does not answer`, 'unknown');
  if (claim.vm.power !== 'shutoff')
    return hold(claim, 'abandon', 'it was started before its disks were there: shut it off');
  const body = fleet
    .copiesOf(claim.vm)
    .find(({ host, mark, vm }) => host === from && vm.uuid === claim.vm.uuid && mark.state !== 'arriving');
  return body === undefined
    ? hold(claim, 'abandon', `its disks were on their way from ${from}, and it is not there any more`)
    : one(abandonment(claim, body, 'gone from git'));
}

/** A VM that is paused for a merge, or half gone back, is brought to an end of that first; its snapshots are kept with it. */
function removeSettled(owned: OwnedVm, step: Step, { now }: PlanContext): Verdict {
  const snapshots = planSnapshots(owned.vm, owned.mark, { base: base(owned), now, declared: undefined });
  return { steps: [...snapshots.first, step], held: [] };
}

function removal(owned: OwnedVm, tombstoneDays: number, { now, commit }: PlanContext): RemoveStep {
  const purgeAfter = new Date(now.getTime() + tombstoneDays * DAY_MS).toISOString();
  return {
    ...base(owned),
    ...(owned.mark.force !== undefined && { force: owned.mark.force }),
    kind: 'remove',
    reason: `gone from git; its disks are kept until ${purgeAfter.slice(0, 10)}`,
    mark: {
      ...owned.mark,
      state: 'tombstone',
      removed: { at: now.toISOString(), purgeAfter, commit, complete: owned.mark.state === 'ready' },
    },
  };
}

function purgeWhenDue(owned: OwnedVm, { now, fleet }: UnwantedContext): Verdict {
  const { removed } = owned.mark;
  if (owned.vm.power !== 'shutoff') {
    return hold(
      owned,
      'purge',
      `it is removed from git, and somebody started it: shut it off, or put it back in git`,
    );
  }
  if (removed === undefined || now.getTime() < Date.parse(removed.purgeAfter)) return { steps: [], held: [] };
  if (removed.movedTo !== undefined && fleet.unknown.has(removed.movedTo))
    return hold(owned, 'purge', `it moved to ${removed.movedTo}, which does not answer`, 'unknown');
  const reason = `${removed.movedTo === undefined ? 'removed' : `moved to ${removed.movedTo}`} on ${removed.at.slice(0, 10)}, and its date ${removed.purgeAfter.slice(0, 10)} has come`;
  return purge(owned, reason, fleet);
}

function purge(owned: OwnedVm, reason: string, fleet: Fleet): Verdict {
  const use = otherUse(owned, fleet);
  if (use !== undefined) return hold(owned, 'purge', use);
  return one({ ...base(owned), kind: 'purge', reason, mark: owned.mark });
}

/**
 * Who else has one of its disks: a VM that it was attached to, to save the data; or a copy on another host, as the
 * pool may be a share that both mount.
 */
function otherUse({ host, vm, mark }: OwnedVm, fleet: Fleet): string | undefined {
  const pools = fleet.known.get(host)?.pools;
  for (const { pool, name } of volumesFromTheTop(mark)) {
    const { path, source } = pools?.get(pool) ?? {};
    if (path === undefined) continue;
    // What a move left behind is a copy: the VM's own file has the same name on its host. On a file server it may be the same.
    const isServed = source !== undefined;
    const isOwn = (uuid: string) => isLeftBehind(mark) && !isServed && uuid === vm.uuid;
    const user = fleet
      .usersOf(`${path}/${name}`)
      .find((other) => other.vm !== vm && !(other.host !== host && isOwn(other.vm.uuid)));
    if (user !== undefined) {
      return `${path}/${name} is a disk of ${user.vm.name} on ${user.host} too: detach it there, or undefine this one by hand`;
    }
  }
  return undefined;
}

function base({ host, vm, mark }: OwnedVm): Pick<VmStep, 'host' | 'vm' | 'uuid' | 'cluster'> {
  return { host, vm: vm.name, uuid: vm.uuid, cluster: mark.cluster };
}

function one(step: Step): Verdict {
  return { steps: [step], held: [] };
}

function hold(
  owned: OwnedVm,
  kind: Held['kind'],
  reason: string,
  because: Held['because'] = 'conflict',
): Verdict {
  return {
    steps: [],
    held: [{ host: owned.host, subject: owned.vm.name, because, kind, reason }],
  };
}
