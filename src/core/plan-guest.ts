import type { DesiredVm } from './desired.ts';
import type { Mark } from './mark.ts';
import type { ObservedVm } from './observed.ts';
import { SEED_TARGET, seedFingerprint } from './seed.ts';
import type { Step, Verdict, VmStep } from './step.ts';

type VmBase = Pick<VmStep, 'host' | 'vm' | 'uuid' | 'cluster'>;

/**
 * What follows for the inside of a VM that is complete.
 *
 *   its seed says what git says no more  seed; last of all, so that a missing secret keeps nothing else from happening
 *   it was created without one           held, where the VM itself asks for one: cloud-init would take it for a new machine
 *   hostnameVia is ssh or agent, and     hostname, once for each name: the mark remembers it
 *     it runs when the plan is applied
 */
export function planGuest(
  vm: DesiredVm,
  found: ObservedVm,
  { mark, ...base }: VmBase & { readonly mark: Mark },
): Verdict {
  const runs = vm.power === 'manual' ? found.power === 'running' : vm.power === 'on';
  return {
    steps: [...(runs ? hostnameStep(vm, base, mark) : []), ...seedStep(vm, found, { ...base, mark })],
    held: missingSeed(vm, mark),
  };
}

/** Nothing where the name comes from elsewhere, or is the one that it has. */
export function hostnameStep(
  { hostnameVia: via, hostname, ipaddress: address }: DesiredVm,
  base: VmBase,
  { guestName }: Partial<Mark> = {},
): Step[] {
  if ((via !== 'ssh' && via !== 'agent') || guestName === hostname) return [];
  const reason = guestName === undefined ? `to be ${hostname}` : `from ${guestName} to ${hostname}`;
  return [{ ...base, kind: 'hostname', reason, via, hostname, address }];
}

/** The seed as a disk of a new VM. */
export function seedDisk({ seed }: DesiredVm): readonly { target: string; pool: string; volume: string }[] {
  return seed === undefined ? [] : [{ target: SEED_TARGET, pool: seed.pool, volume: seed.volume }];
}

/** What the mark of a new VM says of its seed. */
export function seedMark({ seed }: DesiredVm, macs: readonly string[]): Pick<Mark, 'seed'> {
  return seed === undefined ? {} : { seed: seedFingerprint(seed, macs[0]) };
}

function seedStep(
  vm: DesiredVm,
  { macs }: ObservedVm,
  { mark, ...base }: VmBase & { readonly mark: Mark },
): Step[] {
  const { seed } = vm;
  if (seed === undefined || !hasSeed(mark)) return [];
  const [mac = ''] = macs;
  const fingerprint = seedFingerprint(seed, mac);
  if (fingerprint === mark.seed) return [];
  const reason = 'what cloud-init is told has changed in git; the guest sees it at its next boot';
  return [{ ...base, kind: 'seed', reason, seed, mac, fingerprint }];
}

function missingSeed({ host, name, seed }: DesiredVm, mark: Mark): Verdict['held'] {
  if (seed === undefined || !seed.explicit || hasSeed(mark)) return [];
  const reason =
    'it was created without a seed, and cloud-init would take one for a new machine: create it anew, or take its cloudInit out of git';
  return [{ host, subject: name, because: 'change', kind: 'seed', reason }];
}

function hasSeed({ volumes }: Mark): boolean {
  return volumes.some(({ target }) => target === SEED_TARGET);
}
