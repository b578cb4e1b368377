import type { DesiredVm } from './desired.ts';
import { type Fleet, isActive } from './fleet.ts';
import type { NameEntry } from './names-files.ts';
import type { ObservedVm } from './observed.ts';
import type { Lease } from './observed-names.ts';
import { cardFor } from './plan-cards.ts';
import type { Plan, Step } from './step.ts';

export interface MacContext {
  readonly fleet: Fleet;
  /** As it will be carried out: what the guards hold back is not changed. */
  readonly plan: Plan;
  /** What our files say now, by VM. */
  readonly present: ReadonlyMap<string, NameEntry>;
  /** Those that have not ended. */
  readonly leases: readonly Lease[];
}

/** By which MAC addresses dnsmasq is to know a VM. */
type Macs = Pick<NameEntry, 'mac' | 'formerMac'>;

/** Finds the MAC addresses of a VM's first card; undefined: not known yet. */
export function macFinder({ fleet, plan, present, leases }: MacContext): (vm: DesiredVm) => Macs | undefined {
  const joining = new Map(plan.steps.flatMap((step) => joiningMac(step, fleet)));
  const rewired = new Map(plan.steps.flatMap(rewiredMac));
  const leased = new Set(leases.map(({ mac, address }) => `${mac} ${address}`));

  /** As its definition has it once the plan is carried out: one that git changes counts once it can be given. */
  function definedMac(vm: DesiredVm, found: ObservedVm | undefined): string | undefined {
    const joined = joining.get(vm.name);
    if (joined !== undefined) return joined;
    // Unknown is not absent: it may be there, as it was when its entry was written.
    if (found === undefined)
      return fleet.known.has(vm.host) ? undefined : (present.get(vm.name)?.mac ?? unusedMac(vm));
    const card = cardOf(vm, found);
    return rewired.get(`${found.uuid} ${card}`) ?? card;
  }

  /** That git gives it, where nothing that we see has it. */
  function unusedMac({ nics }: DesiredVm): string | undefined {
    const mac = nics[0]?.mac?.toLowerCase();
    return mac === undefined || fleet.macs().has(mac) ? undefined : mac;
  }

  /** Only what its running guest has or we gave it before: a stranger who goes by its name stays a stranger. */
  function formerMac(vm: DesiredVm, found: ObservedVm | undefined, mac: string): string | undefined {
    const card = found === undefined ? undefined : cardOf(vm, found);
    const running = found?.liveDevices?.nics[0]?.mac.toLowerCase();
    const entry = present.get(vm.name);
    const given = [entry?.mac, entry?.formerMac].filter((one) => leased.has(`${one} ${vm.ipaddress}`));
    return [running, ...given].find(
      (one) => one !== undefined && one !== mac && (one === card || !fleet.macs().has(one)),
    );
  }

  return (vm) => {
    const found = copyOf(vm, fleet);
    const mac = definedMac(vm, found)?.toLowerCase();
    if (mac === undefined || mac === '') return undefined;
    const former = formerMac(vm, found, mac);
    return former === undefined ? { mac } : { mac, formerMac: former };
  };
}

/** Of a VM that this plan makes ours. */
function joiningMac(step: Step, { known }: Fleet): [string, string | undefined][] {
  if (step.kind === 'create') return [[step.vm, step.macs[0]]];
  if (step.kind !== 'adopt') return [];
  const found = known.get(step.host)?.vms.find(({ uuid }) => uuid === step.uuid);
  return [[step.vm, found?.macs[0]]];
}

/** By the card that it changes. */
function rewiredMac(step: Step): [string, string][] {
  return step.kind === 'rewire' && step.to.mac !== undefined
    ? [[`${step.uuid} ${step.mac.toLowerCase()}`, step.to.mac]]
    : [];
}

function copyOf(vm: DesiredVm, fleet: Fleet): ObservedVm | undefined {
  // One that is arriving has no card yet.
  const copies = fleet.copiesOf(vm).filter(({ mark }) => mark.state !== 'arriving');
  return (copies.find(({ host }) => host === vm.host) ?? copies.find(isActive) ?? copies[0])?.vm;
}

/** Its first card, as its definition has it now. */
function cardOf({ nics: [nic] }: DesiredVm, found: ObservedVm): string | undefined {
  return ((nic && cardFor(nic, 0, found.nics)?.mac) ?? found.macs[0])?.toLowerCase();
}
