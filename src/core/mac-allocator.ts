import type { DesiredState, DesiredVm } from './desired.ts';
import type { Fleet } from './fleet.ts';
import { macAddress } from './identity.ts';

/**
 * Gives each new VM its MAC addresses: the declared ones, else those derived from its name, salted until they are
 * free. 24 bits of hash meet by chance in one of nine fleets of 2,000 VMs, and libvirt refuses no duplicate.
 */
export function macAllocator(desired: DesiredState, fleet: Fleet): (vm: DesiredVm) => readonly string[] {
  const taken = new Set(fleet.macs);
  for (const vm of desired.vms.values()) {
    for (const { mac } of vm.nics) if (mac !== undefined) taken.add(mac.toLowerCase());
  }
  return (vm) =>
    vm.nics.map((nic, index) => nic.mac?.toLowerCase() ?? claimFree(desired.cluster, vm.name, index, taken));
}

function claimFree(cluster: string, vm: string, nic: number, taken: Set<string>): string {
  for (let salt = 0; ; salt++) {
    const mac = macAddress(cluster, vm, nic, salt);
    if (taken.has(mac)) continue;
    taken.add(mac);
    return mac;
  }
}
