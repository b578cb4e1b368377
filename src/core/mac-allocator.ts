import type { DesiredState, DesiredVm } from './desired.ts';
import type { Fleet } from './fleet.ts';
import { macAddress } from './identity.ts';

/**
 * Gives each new VM its MAC addresses: the declared ones, else those derived from its name, salted until they are
 * free. 24 bits of hash meet by chance in one of nine fleets of 2,000 VMs, and libvirt refuses no duplicate.
 */
export function macAllocator(desired: DesiredState, fleet: Fleet): (vm: DesiredVm) => readonly string[] {
  let taken: Set<string> | undefined;
  return (vm) => {
    const addresses = (taken ??= new Set([...fleet.macs(), ...declaredMacs(desired)]));
    return vm.nics.map(
      (nic, index) => nic.mac?.toLowerCase() ?? claimFree(desired.cluster, vm.name, index, addresses),
    );
  };
}

function declaredMacs(desired: DesiredState): string[] {
  return [...desired.vms.values()].flatMap(({ nics }) => nics.flatMap(({ mac }) => mac?.toLowerCase() ?? []));
}

function claimFree(cluster: string, vm: string, nic: number, taken: Set<string>): string {
  for (let salt = 0; ; salt++) {
    const mac = macAddress(cluster, vm, nic, salt);
    if (taken.has(mac)) continue;
    taken.add(mac);
    return mac;
  }
}
