import type { DesiredVm } from './desired.ts';
import { type Fleet, isActive, type OwnedVm, type PlacedVm } from './fleet.ts';
import { isIncomplete, type Mark } from './mark.ts';
import type { ObservedVm, UnknownHost } from './observed.ts';
import type { Held } from './step.ts';

/** Why nothing is done for a VM that is in git, and what would have been done. */
export type Problem = Pick<Held, 'because' | 'kind' | 'reason'>;

/** Unknown is not absent: why a copy may run on a host that does not answer. */
export function hiddenCopy(vm: DesiredVm, fleet: Fleet, except?: string): string | undefined {
  const host = fleet.lastSeenOn(vm.name, except) ?? fleet.neverSeen;
  if (host === undefined) return undefined;
  const seen =
    host.lastSeen === undefined ? 'never answered this operator' : 'had this VM when it last answered';
  return (
    `host ${host.name} ${silence(host)} and ${seen}: a copy may run there. ` +
    'Bring it back, or take it out of operator.yaml if it is gone for good'
  );
}

/** What keeps a host Unknown, as words behind its name. */
export function silence({ isOffline }: UnknownHost): string {
  return isOffline ? 'is offline (cluster.yaml)' : 'does not answer';
}

/** A VM that is complete only waits for a host that is known to have had it: else one dead host stops all healing. */
export function hiddenRival(
  vm: DesiredVm,
  found: ObservedVm,
  { state, from }: Mark,
  fleet: Fleet,
): Problem | undefined {
  const isStart = state === 'ready';
  // What it left behind there is on its way out, and does not start.
  const left = isStart ? from?.host : undefined;
  if (isStart && (vm.power !== 'on' || found.power !== 'shutoff' || !fleet.lastSeenOn(vm.name, left)))
    return undefined;
  const reason = hiddenCopy(vm, fleet, left);
  const kind = isStart ? 'start' : state === 'building' ? 'create' : 'restore';
  return reason === undefined ? undefined : { because: 'unknown', kind, reason };
}

/** There is another copy of it that is ours: on another host, or under another name. */
export function rivalProblem(vm: DesiredVm, here: OwnedVm | undefined, rival: OwnedVm): Problem {
  const { host } = rival;
  if (!isActive(rival)) {
    return {
      because: 'conflict',
      kind: 'restore',
      reason: `more than one host has its disks, as it was removed there: purge all but one of them`,
    };
  }
  if (rival.mark.state === 'tombstone') {
    return {
      because: 'conflict',
      kind: 'start',
      reason: `it was removed from ${host}, and somebody started it there: shut it off there`,
    };
  }
  if (here !== undefined && isActive(here)) {
    return {
      because: 'conflict',
      kind: 'update',
      reason:
        `it is there twice, as ${here.vm.name} on ${here.host} and as ${rival.vm.name} on ${host}, and both are ours: ` +
        'nothing is done until one of them is gone',
    };
  }
  return {
    because: 'conflict',
    kind: 'move',
    reason: `it is on ${host}, and there is another copy that is ours: nothing is moved until one of them is gone`,
  };
}

/** Something that is not ours has its name or its uuid. */
export function strangerProblem({ name }: DesiredVm, { host, vm: stranger }: PlacedVm): Problem {
  const whose =
    stranger.mark === undefined
      ? (stranger.markError ?? 'it carries no mark of ours')
      : `it belongs to cluster ${stranger.mark.cluster}`;
  return {
    because: 'conflict',
    kind: 'create',
    reason:
      `${host} already has a VM ${stranger.name} (uuid ${stranger.uuid}) that is not ours: ${whose}. ` +
      (stranger.name === name
        ? 'Rename one of the two'
        : `Its uuid is that of ${name}: give it another, or undefine it`),
  };
}

/** libvirt refuses no MAC address that is there twice, and the network breaks for both. */
export function takenMac(vm: DesiredVm, fleet: Fleet): string | undefined {
  const taken = vm.nics.find(({ mac }) => mac !== undefined && fleet.macs().has(mac.toLowerCase()));
  return (
    taken && `its MAC address ${taken.mac} is that of another VM on the hosts: give one of the two another`
  );
}

/** It is gone, and nobody can make it again. */
export function lostProblem({ name, host }: DesiredVm): Problem {
  return {
    because: 'conflict',
    kind: 'create',
    reason:
      `it is not on ${host}, and was there before this repository: its disks are not made of an image. ` +
      `Define it again on ${host} with its disks, or take the uuid of ${name} out of git to have it made anew`,
  };
}

/** It is there and ours, and in a state from which a person has to help. */
export function existingProblem(vm: DesiredVm, found: ObservedVm, mark: Mark): Problem | undefined {
  const conflict = (reason: string): Problem => ({ because: 'conflict', kind: 'update', reason });
  if (found.name !== vm.name)
    return conflict(`it was renamed to ${found.name} on ${vm.host}: rename it back`);
  if (found.uuid !== vm.uuid)
    return conflict(`it was defined by hand on ${vm.host}: its uuid is ${found.uuid}, and ${vm.uuid} in git`);
  if (!found.persistent)
    return conflict(`its definition on ${vm.host} is gone and it only runs on: define it again there`);
  if (isIncomplete(mark) && found.power !== 'shutoff') {
    return conflict(`it was started on ${vm.host} before its disks were complete: shut it off there`);
  }
  if (mark.state === 'tombstone' && found.power !== 'shutoff') return undefined;
  // One that is to be off is told to end: whether that can be done is seen there.
  if (vm.power !== 'on') return undefined;
  if (found.power === 'paused') {
    return conflict(
      `it is paused on ${vm.host}, by hand or by a full disk: look, then \`virsh resume ${vm.name}\``,
    );
  }
  if (found.power === 'other') {
    return conflict(
      `it is neither running nor shut off on ${vm.host}: \`virsh domstate --reason ${vm.name}\``,
    );
  }
  return undefined;
}
