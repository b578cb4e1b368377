import type { DesiredState } from './desired.ts';
import { arrangeFleet } from './fleet.ts';
import { macAllocator } from './mac-allocator.ts';
import type { ObservedState } from './observed.ts';
import { orderByRoom } from './order-by-room.ts';
import { poolsNeeded } from './placement.ts';
import { imagesOf } from './plan-adopt.ts';
import { orderByDependencies } from './plan-dependencies.ts';
import { withImages } from './plan-images.ts';
import { planPools } from './plan-pools.ts';
import { planUnwanted } from './plan-unwanted.ts';
import { planWanted } from './plan-wanted.ts';
import { type Plan, type Step, type StepKind, stepId } from './step.ts';

export interface PlanContext {
  readonly now: Date;
  /** The commit that is being applied; new marks name it. */
  readonly commit: string;
}

/**
 * Says what it takes to make the hosts as the manifests want them. Pure: the same input gives the same plan, and
 * planning against the result of applying gives no steps. Guards are not in it: see `guard`.
 *
 *   in git | on a host                | what follows
 *   -------|--------------------------|-----------------------------------------------------------
 *   yes    | no                       | create, then start (power: on)
 *   yes    | ours, building           | create again: an earlier try was cut short
 *   yes    | ours, ready              | resize; its disks (see `planDisks`) and cards; start or
 *          |                          | stop to match `power`; autostart; mark;
 *          |                          | restart, where allowed, for what it does not show yet
 *   yes    | what it depends on       | held: dependency
 *          | does not run             |
 *   yes    | ours, tombstone          | restore, then start (power: on)
 *   yes    | ours, on another host    | moves: depart, receive, start, retire; live: migrate,
 *          |                          | retire (see `planMove`)
 *   yes    | ours, on two hosts       | held: conflict
 *   yes    | ours, left behind by a   | nothing, till its date comes; coming back, it is
 *          | move                     | overwritten
 *   yes    | also a tombstone of it   | held: conflict
 *          | that runs elsewhere      |
 *   yes    | there, not ours          | held: conflict; never touched
 *   yes    | there under its name and | adopt: our mark on it, then as if it were ours
 *          | the uuid that git says,  |
 *          | and nobody's             |
 *   yes    | its uuid on any host,    | held: conflict; it may be the same VM, its mark lost
 *          | not ours                 |
 *   yes    | its host is Unknown      | nothing
 *   yes    | not running, and it may  | held: unknown; a copy may run there
 *          | be on an Unknown host    |
 *   no     | ours, ready              | remove: shut down, keep as a tombstone
 *   no     | ours, tombstone          | purge, once its date has come, it is shut off, and no
 *          |                          | other VM has one of its disks
 *   no     | ours, building           | remove, as if it were complete; coming back, its creation goes on
 *   no     | not ours                 | nothing
 *
 * Pools of cluster.yaml that are missing or stopped come first (`planPools`), then images (`withImages`); VMs wait for theirs.
 * On a host that is full what comes starts after what stops (`orderByRoom`).
 */
export function plan(desired: DesiredState, observed: ObservedState, context: PlanContext): Plan {
  const fleet = arrangeFleet(desired.cluster, observed);
  const images = imagesOf(desired);
  const { cluster } = desired;
  const { tombstoneDays } = desired.policy;
  const allocateMacs = macAllocator(desired, fleet);
  const policyOf = (host: string) => desired.hosts.get(host) ?? NO_POOLS;
  const pools = [...fleet.known.values()].map((host) => planPools(policyOf(host.name), host));
  const wantedContext = {
    ...context,
    cluster,
    images,
    fleet,
    policyOf,
    tombstoneDays,
    copyLimits: desired.policy.migration,
    allocateMacs,
  };
  const wanted = [...desired.vms.values()]
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((vm) => planWanted(vm, wantedContext));
  const unwanted = planUnwanted(desired, fleet, context);
  const verdicts = [...pools, ...wanted, ...unwanted];
  const steps = verdicts.flatMap((verdict) => verdict.steps);
  const held = verdicts.flatMap((verdict) => verdict.held);
  const whole = { steps: withImages(afterPools(steps, desired), desired, fleet.known), held };
  return orderByRoom(orderByDependencies(whole, desired, fleet), desired, fleet);
}

const NO_POOLS = { pools: [] };
const NEED_POOLS: readonly StepKind[] = [
  'create',
  'restore',
  'attach',
  'start',
  'receive',
  'depart',
  'migrate',
];

/** A VM is made and started once the pools that it needs are there. */
function afterPools(steps: readonly Step[], { vms }: DesiredState): readonly Step[] {
  const pools = steps.filter((step) => step.kind === 'pool');
  if (pools.length === 0) return steps;
  return steps.map((step) => {
    const vm = 'vm' in step && NEED_POOLS.includes(step.kind) ? vms.get(step.vm) : undefined;
    if (vm === undefined) return step;
    const needed = poolsNeeded(vm);
    const place = step.kind === 'depart' ? step.to.host : step.host;
    const first = pools.filter(({ host, pool }) => host === place && needed.has(pool.name));
    return first.length === 0 ? step : { ...step, after: [...(step.after ?? []), ...first.map(stepId)] };
  });
}
