import { existsSync } from 'node:fs';
import { run } from './command.ts';

/** Names and addresses of one lab, all derived from its number. Interface names have at most 15 characters. */
export interface LabNetwork {
  readonly bridge: string;
  /** The machine's own address on the bridge, where the operator and dnsmasq are. */
  readonly gateway: string;
  /** `10.77.N` */
  readonly prefix: string;
}

export interface HostLink {
  readonly netns: string;
  /** The end of the host's cable that is in the lab's bridge. */
  readonly cable: string;
  readonly address: string;
  readonly mac: string;
}

export function labNetwork(number: number): LabNetwork {
  const prefix = `10.77.${number}`;
  return { bridge: `kgl${number}`, gateway: `${prefix}.254`, prefix };
}

/** `index` counts from 1. */
export function hostLink(number: number, name: string, index: number): HostLink {
  return {
    netns: `kgl${number}-${name}`,
    cable: `kgl${number}-${name}`,
    address: `10.77.${number}.${index}`,
    mac: `02:77:00:00:${hex(number)}:${hex(index)}`,
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

export async function createBridge({ bridge, gateway }: LabNetwork): Promise<void> {
  await run(['ip', 'link', 'add', bridge, 'type', 'bridge']);
  await run(['ip', 'address', 'add', `${gateway}/24`, 'dev', bridge]);
  await run(['ip', 'link', 'set', bridge, 'up']);
}

/**
 * Makes a host's network: its namespace, the cable to the lab's bridge, and in it `br0` with the host's address.
 * The machine knows the host's MAC for good, so that a connection over a cut cable hangs instead of being refused.
 */
export async function plugIn(
  { bridge }: LabNetwork,
  { netns, cable, address, mac }: HostLink,
): Promise<void> {
  await run(['ip', 'netns', 'add', netns]);
  await run(['ip', 'link', 'add', cable, 'type', 'veth', 'peer', 'name', 'up0', 'netns', netns]);
  await run(['ip', 'link', 'set', cable, 'master', bridge, 'up']);
  const inside = [
    'link set lo up',
    `link add br0 address ${mac} type bridge`,
    'link set br0 up',
    'link set up0 master br0 up',
    `address add ${address}/24 dev br0`,
  ];
  await run(['ip', '-n', netns, '-batch', '-'], { input: `${inside.join('\n')}\n` });
  await run(['ip', 'neighbour', 'replace', address, 'lladdr', mac, 'dev', bridge, 'nud', 'permanent']);
}

export async function setCable({ cable }: HostLink, state: 'up' | 'down'): Promise<void> {
  await run(['ip', 'link', 'set', cable, state]);
}

/** Removes a host's namespace and with it the cable. Fine when they are gone. */
export async function unplug({ netns, cable }: HostLink): Promise<void> {
  if (existsSync(`/run/netns/${netns}`)) await run(['ip', 'netns', 'delete', netns]);
  // The kernel takes a namespace down in its own time; the cable is not to survive this call.
  if (existsSync(`/sys/class/net/${cable}`))
    await run(['ip', 'link', 'delete', cable]).catch(() => undefined);
}

export async function removeBridge({ bridge }: LabNetwork): Promise<void> {
  if (existsSync(`/sys/class/net/${bridge}`)) await run(['ip', 'link', 'delete', bridge]);
}
