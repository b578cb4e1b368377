import type { CloudInit } from './cloud-init.ts';
import type { Cluster } from './cluster.ts';
import type { HostnameVia } from './desired.ts';
import type { VmSpec } from './manifest.ts';
import { Secret } from './secret.ts';
import type { DesiredSeed, StaticNetwork } from './seed.ts';
import { mergeUserData } from './user-data.ts';

/** What a seed is made of beside the VM's own fields. */
export interface SeedContext {
  readonly cluster: Cluster;
  readonly pool: string;
  readonly hostname: string;
  /** What the image says of itself; undefined: nothing. */
  readonly hasCloudInit: boolean | undefined;
  /** The content of a file of the repository. */
  readonly readFile: (path: string) => string | undefined;
}

/** How a VM learns its host name, and its seed if it has one. */
export interface GuestSettings {
  readonly hostnameVia: HostnameVia;
  readonly seed?: DesiredSeed;
}

/**
 * A seed is made where the image has cloud-init, or where somebody says what cloud-init is to do; of a VM that was there
 * before only where it says so itself.
 */
export function resolveGuest(spec: VmSpec, context: SeedContext): GuestSettings {
  const { defaults = {} } = context.cluster;
  const via = spec.hostnameVia ?? defaults.hostnameVia;
  const explicit = spec.cloudInit !== undefined || spec.hostnameVia === 'cloud-init';
  const isAsked = explicit || defaults.cloudInit !== undefined || via === 'cloud-init';
  const hasSeed = context.hasCloudInit ?? (spec.uuid === undefined ? isAsked : explicit);
  if (!hasSeed) return { hostnameVia: via === undefined || via === 'cloud-init' ? 'dhcp' : via };
  const hostnameVia = via ?? 'cloud-init';
  return { hostnameVia, seed: resolveSeed(spec, { ...context, hostnameVia, explicit }) };
}

/** The name of a VM's seed volume. */
export function seedVolume(vm: string): string {
  return `${vm}-seed.img`;
}

/** What holds for a VM: its own keys over those of the defaults, user data merged. */
export function mergeCloudInit({ defaults = {} }: Partial<Cluster>, own: CloudInit | undefined): CloudInit {
  const merged = { ...defaults.cloudInit, ...own };
  const userData = mergeUserData(defaults.cloudInit?.userData ?? {}, own?.userData ?? {});
  return { ...merged, userData };
}

function resolveSeed(
  spec: VmSpec,
  context: SeedContext & { readonly hostnameVia: HostnameVia; readonly explicit: boolean },
): DesiredSeed {
  const {
    user,
    sshKeys = [],
    userData = {},
    userDataFile,
    ...rest
  } = mergeCloudInit(context.cluster, spec.cloudInit);
  const network = staticNetwork(spec.ipaddress, rest);
  const content = userDataFile === undefined ? undefined : context.readFile(userDataFile);
  // A name that DHCP gives, or nobody, is not for cloud-init to change.
  const isNamed = context.hostnameVia !== 'dhcp' && context.hostnameVia !== 'none';
  return {
    pool: context.pool,
    volume: seedVolume(spec.name),
    ...(isNamed && { hostname: context.hostname }),
    content: new Secret({
      ...(user !== undefined && { user }),
      sshKeys,
      ...(network !== undefined && { network }),
      userData,
      ...(userDataFile !== undefined && content !== undefined && { sops: { path: userDataFile, content } }),
    }),
    explicit: context.explicit,
  };
}

function staticNetwork(
  address: string,
  { network, prefix, gateway, dns = [] }: CloudInit,
): StaticNetwork | undefined {
  if (network !== 'static' || prefix === undefined) return undefined;
  return { address, prefix, dns, ...(gateway !== undefined && { gateway }) };
}
