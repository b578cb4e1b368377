import type { DesiredState } from './desired.ts';
import type { Fleet, OwnedVm, PlacedVm } from './fleet.ts';
import type { NameEntry } from './names-files.ts';
import { DNSMASQ, type Obstacle, PUBLISH_ID } from './names-subject.ts';
import type { ObservedVm } from './observed.ts';
import type { Lease } from './observed-names.ts';
import { endsRun, laneOf, type Plan, type ReleaseStep, stepId } from './step.ts';

export interface LeasesContext {
  readonly desired: DesiredState;
  readonly fleet: Fleet;
  readonly plan: Plan;
  readonly present: ReadonlyMap<string, NameEntry>;
  /** Those that have not ended. */
  readonly leases: readonly Lease[];
}

export interface LeasePlan {
  readonly releases: readonly ReleaseStep[];
  /** By VM: whose address somebody else has a lease of. */
  readonly obstacles: ReadonlyMap<string, Obstacle>;
}

/**
 * What follows from the leases; dnsmasq gives no address that is leased to another MAC address, whatever its files say.
 *
 *   the lease has an address   | and belongs to           | what follows
 *   ---------------------------|--------------------------|---------------------------------------------
 *   that another VM is to have | a VM of ours, shut off   | release, before that other VM starts
 *                              | one that is being        | release, once it is
 *                              | stopped, moved, removed  |
 *                              | one that runs            | the other one does not start meanwhile
 *                              | nobody of ours           | the same: it is never taken away
 *   of whatever kind           | a removed VM, shut off   | release: its name would live on with it
 */
export function planLeases(entries: readonly NameEntry[], context: LeasesContext): LeasePlan {
  const wanted = new Map(entries.map((entry) => [entry.address, entry]));
  const holders = new Map(
    context.fleet.owned.flatMap((owned) => macsOf(owned.vm).map((mac) => [mac, owned] as const)),
  );
  const obstacles = new Map<string, Obstacle>();
  const releases: ReleaseStep[] = [];
  for (const lease of context.leases) {
    const entry = wanted.get(lease.address);
    const holder = holders.get(lease.mac);
    const isInTheWay = entry !== undefined && entry.mac !== lease.mac && entry.formerMac !== lease.mac;
    if (holder !== undefined && (isInTheWay || isRemoved(holder, context.desired))) {
      const step = releaseOf(lease, holder, context);
      if (step !== undefined) releases.push(step);
      else if (isInTheWay) obstacles.set(entry.vm, stillRuns(lease, holder));
    } else if (isInTheWay) obstacles.set(entry.vm, strangersLease(lease, context));
  }
  return { releases, obstacles };
}

function isRemoved({ vm, mark }: OwnedVm, desired: DesiredState): boolean {
  return mark.state === 'tombstone' && vm.power === 'shutoff' && !desired.vms.has(vm.name);
}

/** Undefined: its holder runs, and nothing in the plan ends that. */
function releaseOf(lease: Lease, { vm, host }: OwnedVm, { plan }: LeasesContext): ReleaseStep | undefined {
  const ending = plan.steps.find(
    (step) => endsRun(step) && step.kind !== 'restart' && laneOf(step) === `${host}/${vm.name}`,
  );
  if (vm.power !== 'shutoff' && ending === undefined) return undefined;
  return {
    kind: 'release',
    host: DNSMASQ,
    lease,
    reason: `held by ${vm.name}, which ${ending === undefined ? 'is shut off' : 'goes'}`,
    // After the names: dnsmasq would give the address away to the next who asks.
    after: [PUBLISH_ID, ...(ending === undefined ? [] : [stepId(ending)])],
  };
}

/** Of its definition, and of the guest that runs. */
function macsOf({ macs, liveDevices }: ObservedVm): string[] {
  return [...macs, ...(liveDevices?.nics ?? []).map(({ mac }) => mac)].map((mac) => mac.toLowerCase());
}

function stillRuns({ address }: Lease, { vm, host }: OwnedVm): Obstacle {
  const reason = `${address} is leased to ${vm.name} on ${host}, which runs with it until it restarts or renews its lease`;
  return { because: 'conflict', reason, whileRunning: false };
}

function strangersLease(lease: Lease, { fleet, present }: LeasesContext): Obstacle {
  const { address, mac, expires } = lease;
  const entry = [...present.values()].find((one) => one.mac === mac);
  if (entry !== undefined) {
    const reason = `${address} is leased to ${entry.vm}, whose host does not answer`;
    return { because: 'unknown', reason, whileRunning: false };
  }
  const stranger = strangerWith(mac, fleet);
  const who = stranger === undefined ? '' : ` (VM ${stranger.vm.name} on ${stranger.host})`;
  const until = expires === 0 ? 'for ever' : `until ${new Date(expires * 1000).toISOString()}`;
  const reason =
    `${address} is leased to ${mac}${who}, which is not ours, ${until}: it is never taken away. ` +
    `If nobody uses it: \`dhcp_release INTERFACE ${address} ${mac} ${lease.clientId}\``;
  return { because: 'conflict', reason, whileRunning: true };
}

function strangerWith(mac: string, { known }: Fleet): PlacedVm | undefined {
  const all = [...known.values()].flatMap((host) => host.vms.map((vm) => ({ host: host.name, vm })));
  return all.find(({ vm }) => vm.macs.some((one) => one.toLowerCase() === mac));
}
