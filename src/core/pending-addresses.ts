import type { DesiredVm } from './desired.ts';
import type { ObservedState, ObservedVm } from './observed.ts';
import type { PendingRestart } from './size.ts';

/** VMs that run with another address than git has: a lease is renewed or a guest restarts in its own time. */
export function pendingAddresses(
  vms: ReadonlyMap<string, DesiredVm>,
  { hosts, names }: ObservedState,
): PendingRestart[] {
  if (names?.kind !== 'known') return [];
  const leased = new Map<string, string[]>();
  for (const { mac, address } of names.leases) leased.set(mac, [...(leased.get(mac) ?? []), address]);
  return [...vms.values()].flatMap(({ name, host, uuid, ipaddress, restart }) => {
    const there = hosts.get(host);
    const found = there?.kind === 'known' ? there.vms.find((vm) => vm.uuid === uuid) : undefined;
    const addresses = leased.get(found === undefined ? '' : macOf(found)) ?? [];
    if (found?.power !== 'running' || addresses.length === 0 || addresses.includes(ipaddress)) return [];
    const reason = `address ${addresses.join(', ')} -> ${ipaddress}, or when it renews its lease`;
    return [{ host, vm: name, reason, restart }];
  });
}

/** That its guest has now: another one in the definition comes with its next start. */
function macOf({ liveDevices, macs }: ObservedVm): string {
  return (liveDevices?.nics[0]?.mac ?? macs[0] ?? '').toLowerCase();
}
