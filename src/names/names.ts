import { type ConfOption, confPaths } from '../core/dnsmasq-conf.ts';
import { parseDhcpRange, parseLeases } from '../core/dnsmasq-lines.ts';
import { isInside, networkOf } from '../core/ipv4.ts';
import { clusterOfFile, generationOf } from '../core/names-files.ts';
import type { Interface, KnownNames, Lease } from '../core/observed-names.ts';
import type { PublishStep, ReleaseStep } from '../core/step.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import type { Names } from '../ports.ts';
import { findDnsmasq, runPrivileged, signalDnsmasq } from './dnsmasq-process.ts';
import { dnsServerOf, hasLoaded, waitUntilLoaded } from './loaded.ts';
import type { Machine } from './machine.ts';
import { readForeign, readOptions } from './read-conf.ts';
import { readInterfaces } from './read-interfaces.ts';
import { type NamesSettings, pathsIn } from './settings.ts';
import { waitFor } from './wait-for.ts';

const OBSERVE_TIMEOUT_MS = 30_000;
const RELEASE_WAIT_MS = 3_000;

/** The names that dnsmasq gives, on this machine or on one that SSH reaches. */
export function createNames(machine: Machine, settings: NamesSettings): Names {
  return {
    async observe(signal) {
      const timeout = AbortSignal.timeout(OBSERVE_TIMEOUT_MS);
      try {
        return await observe(machine, settings, AbortSignal.any([signal, timeout]));
      } catch (error) {
        signal.throwIfAborted();
        const late = `${machine.name} did not answer within ${OBSERVE_TIMEOUT_MS / 1000} s`;
        return { kind: 'unknown', reason: timeout.aborted ? late : errorMessage(error) };
      }
    },
    apply: (step) =>
      step.kind === 'publish' ? publish(machine, settings, step) : release(machine, settings, step),
  };
}

/** What dnsmasq was told when it was started, and by which interfaces the machine is reached. */
export interface Setup {
  readonly options: readonly ConfOption[];
  readonly interfaces: readonly Interface[];
}

/** Finds the running dnsmasq and reads its whole configuration. */
export async function readSetup(
  machine: Machine,
  settings: NamesSettings,
  signal?: AbortSignal,
): Promise<Setup> {
  const [{ argv }, interfaces] = await Promise.all([
    findDnsmasq(machine, settings, signal),
    readInterfaces(machine, signal),
  ]);
  return { options: await readOptions(machine, argv, signal), interfaces };
}

async function observe(machine: Machine, settings: NamesSettings, signal: AbortSignal): Promise<KnownNames> {
  const paths = pathsIn(settings.folder);
  const setup = await readSetup(machine, settings, signal);
  const own = new Set([paths.dhcpHosts, paths.hosts]);
  const [dhcpHosts = '', hosts = '', leases = '', foreign] = await Promise.all([
    machine.read(paths.dhcpHosts, signal),
    machine.read(paths.hosts, signal),
    machine.read(confPaths(setup.options).leases, signal),
    readForeign(machine, setup.options, own, signal),
  ]);
  const server = dnsServerOf(machine, settings, setup);
  const ranges = setup.options.filter(({ key }) => key === 'dhcp-range');
  return {
    kind: 'known',
    files: {
      dhcpHosts: { path: paths.dhcpHosts, text: dhcpHosts },
      hosts: { path: paths.hosts, text: hosts },
    },
    isLoaded: await hasLoaded(machine, settings, { server, hosts }),
    ...foreign,
    ...(ranges.length > 0 && {
      networks: ranges.flatMap(({ value }) => parseDhcpRange(value, setup.interfaces) ?? []),
    }),
    leases: parseLeases(leases),
    interfaces: setup.interfaces,
  };
}

/** Writes both files, then one signal, then dnsmasq itself must show the new names. Safe to repeat at any point. */
async function publish(machine: Machine, settings: NamesSettings, step: PublishStep): Promise<void> {
  const paths = pathsIn(settings.folder);
  for (const file of ['dhcpHosts', 'hosts'] as const) {
    const present = (await machine.read(paths[file])) ?? '';
    if (present.trim() !== '' && clusterOfFile(present) !== step.cluster) {
      throw new OperatorError('E_NOT_OURS', `${paths[file]} on ${machine.name} was not written by us`);
    }
    if (present !== step.files[file]) await machine.replace(paths[file], step.files[file]);
  }
  await signalDnsmasq(machine, settings);
  const server = dnsServerOf(machine, settings, await readSetup(machine, settings));
  if (server !== undefined) return waitUntilLoaded(server, step.files.hosts, paths.hosts);
  // Nobody can ask it: that it still runs, and what it was told, is all that there is to know.
  await machine.replace(paths.told, `${generationOf(step.files.hosts)?.address ?? ''}\n`);
}

/** Ends a lease as its client would. It may have ended meanwhile, or belong to somebody else: then nothing is done. */
async function release(machine: Machine, settings: NamesSettings, { lease }: ReleaseStep): Promise<void> {
  const setup = await readSetup(machine, settings);
  const { leases: path } = confPaths(setup.options);
  const isThere = async () =>
    parseLeases((await machine.read(path)) ?? '').some(
      ({ address, mac }) => address === lease.address && mac === lease.mac,
    );
  if (!(await isThere())) return;
  const through = settings.interface ?? interfaceFor(lease, setup.interfaces);
  if (through === undefined) {
    const message = `${machine.name} has no interface in the network of ${lease.address}: name one in dnsmasq.interface`;
    throw new OperatorError('E_DNSMASQ', message);
  }
  await runPrivileged(machine, settings, ['dhcp_release', through, lease.address, lease.mac, lease.clientId]);
  const isGone = await waitFor(async () => !(await isThere()), RELEASE_WAIT_MS);
  if (isGone) return;
  const message = `the lease of ${lease.address} was released on ${through} and ${path} still has it: is dnsmasq on that interface?`;
  throw new OperatorError('E_POSTCONDITION', message);
}

function interfaceFor({ address }: Lease, interfaces: readonly Interface[]): string | undefined {
  return interfaces.find((one) => isInside(address, networkOf(one.address, one.prefix)))?.name;
}
