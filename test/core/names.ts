import { assess } from '../../src/core/assess.ts';
import type { DesiredVm } from '../../src/core/desired.ts';
import { type NameEntry, readNames, renderNames } from '../../src/core/names-files.ts';
import type { ObservedHost, ObservedVm } from '../../src/core/observed.ts';
import type { KnownNames, Lease, ObservedNames } from '../../src/core/observed-names.ts';
import type { Pause } from '../../src/core/pause.ts';
import type { PublishStep, Step } from '../../src/core/step.ts';
import {
  CLUSTER,
  COMMIT,
  desiredState,
  desiredVm,
  inWords,
  mark,
  NOW,
  observedState,
  observedVm,
} from '../builders.ts';

const FOLDER = '/var/lib/names';

/** A dnsmasq for 10.0.0.0/24 that has read what we wrote of these VMs. */
export function knownNames(
  entries: Parameters<typeof renderNames>[1] = [],
  overrides: Partial<KnownNames> = {},
): KnownNames {
  const { dhcpHosts, hosts } = renderNames({ cluster: CLUSTER, path: `${FOLDER}/hosts` }, entries);
  return {
    kind: 'known',
    files: {
      dhcpHosts: { path: `${FOLDER}/dhcp-hosts`, text: dhcpHosts },
      hosts: { path: `${FOLDER}/hosts`, text: hosts },
    },
    isLoaded: true,
    reservations: [],
    hostEntries: [],
    networks: [{ text: '10.0.0.0/24', first: 10 * 2 ** 24, last: 10 * 2 ** 24 + 255 }],
    leases: [],
    interfaces: [{ name: 'br0', address: '10.0.0.1', prefix: 24 }],
    ...overrides,
  };
}

export const OLD_MAC = '52:54:00:00:00:02';
const LATER = NOW.getTime() / 1000 + 3600;

export const WEB_MAC = '52:54:00:00:00:01';
export const web = desiredVm({ name: 'web', ipaddress: '10.0.0.11' });
export const webEntry: NameEntry = {
  vm: 'web',
  hostname: 'web.lab.internal',
  address: '10.0.0.11',
  mac: WEB_MAC,
};
export const oldEntry: NameEntry = { ...webEntry, vm: 'old', hostname: 'old.lab.internal', mac: OLD_MAC };
export const runs = observedVm({ name: 'web', macs: [WEB_MAC] });
export const off = observedVm({ name: 'web', macs: [WEB_MAC], power: 'shutoff' });
export const old = observedVm({
  name: 'old',
  uuid: desiredVm({ name: 'old' }).uuid,
  macs: [OLD_MAC],
  mark: mark({}, 'old'),
});
const { run: _run, ...oldOff } = { run: 0, ...old };
export const tombstone = {
  ...oldOff,
  power: 'shutoff' as const,
  autostart: false,
  mark: mark({ state: 'tombstone', uuid: old.uuid }, 'old'),
};

export function lease(overrides: Partial<Lease> = {}): Lease {
  return { mac: OLD_MAC, address: '10.0.0.11', clientId: '*', expires: LATER, ...overrides };
}

export function withMac(vm: ObservedVm, mac: string): ObservedVm {
  return { ...vm, macs: [mac], nics: vm.nics.map((nic) => ({ ...nic, mac })) };
}

export function judge(
  git: readonly DesiredVm[],
  hosts: readonly ObservedHost[],
  names: ObservedNames,
  pauses: readonly Pause[] = [],
) {
  const desired = desiredState(git);
  return assess(desired, { ...observedState(...hosts), names }, { now: NOW, commit: COMMIT, pauses });
}

export function publishOf(steps: readonly Step[]): PublishStep {
  const found = steps.find((step) => step.kind === 'publish');
  if (found === undefined) throw new Error(`no publish among ${inWords(steps).join(', ')}`);
  return found;
}

/** `web 10.0.0.11 52:54:...`: what a step would write. */
export function written(steps: readonly Step[]): string[] {
  const { files } = publishOf(steps);
  const asRead = {
    dhcpHosts: { path: '', text: files.dhcpHosts },
    hosts: { path: '', text: files.hosts },
  };
  return [...readNames(asRead).values()].map(({ vm, address, mac }) => `${vm} ${address} ${mac}`);
}

export function startOf(steps: readonly Step[]): readonly string[] | undefined {
  return steps.find((step) => step.kind === 'start')?.after;
}
