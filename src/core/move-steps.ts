import type { Fleet, OwnedVm } from './fleet.ts';
import type { Mark } from './mark.ts';
import { isSameFolder } from './move-volumes.ts';
import {
  type AbandonStep,
  type RecallStep,
  type RetireStep,
  type Step,
  stepId,
  type VmStep,
} from './step.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

interface Retirement {
  readonly now: Date;
  readonly commit: string;
  readonly fleet: Fleet;
  readonly tombstoneDays: number;
  readonly onceItRuns: boolean;
  /** Ids of the steps that bring the VM to life where it is now. */
  readonly after: readonly string[];
}

/** Makes a tombstone of what a move leaves behind. */
export function retirement(husk: OwnedVm, body: OwnedVm, context: Retirement): RetireStep {
  const { now, commit, fleet, tombstoneDays, onceItRuns, after } = context;
  const purgeAfter = new Date(now.getTime() + tombstoneDays * DAY_MS).toISOString();
  const [there, here] = [husk, body].map(({ host }) => fleet.known.get(host)?.pools);
  const shared = husk.mark.volumes.filter(({ pool, target }) => {
    const other = body.mark.volumes.find((volume) => volume.target === target);
    return other !== undefined && isSameFolder(there?.get(pool), here?.get(other.pool));
  });
  return {
    ...base(husk),
    ...(after.length > 0 && { after }),
    kind: 'retire',
    reason: `it is on ${body.host} now; the old disks are kept until ${purgeAfter.slice(0, 10)}`,
    to: body.host,
    onceItRuns,
    removed: { at: now.toISOString(), purgeAfter, commit, complete: true, movedTo: body.host },
    shared: shared.map(({ pool, name }) => ({ pool, name })),
  };
}

/** Takes back a claim. */
export function abandonment(claim: OwnedVm, body: OwnedVm, why: string): AbandonStep {
  return { ...base(claim), kind: 'abandon', from: body.host, reason: `${why}: its copy is given up` };
}

interface Recall {
  readonly mark: Mark;
  readonly autostart: boolean;
  readonly fleet: Fleet;
  readonly after: readonly Step[];
}

/** Has the VM stay. */
export function recallment(body: OwnedVm, { mark, autostart, fleet, after }: Recall): RecallStep {
  const to = body.mark.to?.host;
  return {
    ...base(body),
    ...(after.length > 0 && { after: after.map(stepId) }),
    kind: 'recall',
    reason: `it stays on ${body.host}`,
    to: to !== undefined && fleet.known.has(to) ? to : undefined,
    autostart,
    mark,
  };
}

function base({ host, vm, mark }: OwnedVm): Pick<VmStep, 'host' | 'vm' | 'uuid' | 'cluster'> {
  return { host, vm: vm.name, uuid: vm.uuid, cluster: mark.cluster };
}
