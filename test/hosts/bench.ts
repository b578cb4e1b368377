import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import type { DesiredState } from '../../src/core/desired.ts';
import { arrangeFleet } from '../../src/core/fleet.ts';
import { type KnownHost, type ObservedVm, volumeKey } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { type ReadSources, withReadSources } from '../../src/core/source-images.ts';
import { type Plan, type Step, stepId, subjectOf } from '../../src/core/step.ts';
import { OperatorError } from '../../src/errors.ts';
import { seedImage } from '../../src/guests/seed-image.ts';
import { type HostClient, openHostClient } from '../../src/hosts/host-client.ts';

import { connectHost } from '../../src/hosts/host-link.ts';
import { createHosts, type HostConnection, type HostsOptions } from '../../src/hosts/hosts.ts';
import { openCheckedVolumes } from '../../src/hosts/images/checked-volumes.ts';
import { openImageFiles } from '../../src/hosts/images/image-files.ts';
import type { Libvirt } from '../../src/libvirt/libvirt.ts';
import type { Hosts } from '../../src/ports.ts';
import { questionFor } from '../../src/reconcile/reconcile.ts';
import type { HostOptions, Intercept, SimulatedHost } from '../../src/simulator/host.ts';
import { type RunningHost, type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { imageFile } from '../../src/simulator/volumes.ts';
import { CLUSTER, COMMIT, GIB, NOW } from '../builders.ts';

export const POOL = '/pool';
export const FAST = '/fast';
const never = new AbortController().signal;

/** Simulated hosts that are reached as real ones are: SSH, a channel, libvirt's protocol. */
export interface Bench {
  readonly simulator: Simulator;
  /** Host `a`, empty but for the image `debian` of 2 GiB, with pools `default` and `fast`. */
  readonly host: SimulatedHost;
  readonly hosts: Hosts;
  /** Puts every host back as it was at first. */
  clear(): void;
  /** A client for what a test does by hand. */
  libvirt(): Promise<Libvirt>;
  observe(desired?: DesiredState): Promise<KnownHost>;
  plan(desired: DesiredState, now?: Date): Promise<Plan>;
  apply(steps: readonly Step[], superseded?: AbortSignal): Promise<void>;
  /** Observes, plans and applies until nothing is left to do; the plans' steps as `create web`. */
  converge(desired: DesiredState, now?: Date): Promise<string[]>;
}

export interface BenchOptions {
  readonly hosts?: readonly HostOptions[];
  readonly settings?: Partial<HostsOptions['settings']>;
}

export const HOST_A: HostOptions = {
  name: 'a',
  cpus: 8,
  memoryMiB: 32 * 1024,
  shutdownMs: 5,
  pools: [
    { name: 'default', path: POOL },
    { name: 'fast', path: FAST },
  ],
};

/** Seeds without secrets; nobody answers inside a guest. */
export const NO_GUESTS: Pick<HostsOptions['settings'], 'seedImage' | 'guests'> = {
  seedImage: (order) => seedImage(order, {}),
  guests: {
    expectNew: async () => undefined,
    setHostname: async ({ vm }) => {
      throw new OperatorError('E_GUEST', `${vm} does not answer`);
    },
  },
};

/** An operator that has seen nothing before. */
export const NO_INVENTORY: HostsOptions['inventory'] = {
  lastSeen: () => undefined,
  expect: async () => undefined,
  remember: async () => undefined,
};

/** Nothing is waited for long. */
export const SETTINGS: HostsOptions['settings'] = {
  ...NO_GUESTS,
  shutdownTimeoutMs: 300,
  force: 'never',
  letGoMs: 200,
  copyTimeoutMs: 10_000,
  migrationAddressOf: () => '127.0.0.1',
};

/** One bench for the tests of a file; host `a` is put back before each of them. */
export function useBench(options: BenchOptions = {}): Bench {
  const made: { bench?: Bench; close?: () => Promise<void> } = {};
  beforeAll(async () => {
    Object.assign(made, await startBench(options));
  });
  beforeEach(() => {
    made.bench?.clear();
  });
  afterAll(() => made.close?.());
  const bench = (): Bench => {
    if (made.bench === undefined) throw new Error('only inside a test');
    return made.bench;
  };
  return {
    get simulator() {
      return bench().simulator;
    },
    get host() {
      return bench().host;
    },
    get hosts() {
      return bench().hosts;
    },
    clear: () => bench().clear(),
    libvirt: () => bench().libvirt(),
    observe: (desired) => bench().observe(desired),
    plan: (desired, now) => bench().plan(desired, now),
    apply: (steps, superseded) => bench().apply(steps, superseded),
    converge: (desired, now) => bench().converge(desired, now),
  };
}

async function startBench({ hosts: wanted = [HOST_A], settings }: BenchOptions) {
  const folder = mkdtempSync(join(tmpdir(), 'kvm-gitops-bench-'));
  const simulator = await startSimulator({ hosts: wanted });
  const connections = simulator.hosts.map((running) => connectionTo(simulator, running));
  const byHand = connectionTo(simulator, simulator.host('a'));
  const files = await openImageFiles(folder, 10_000);
  const hosts = createHosts({
    connections,
    inventory: NO_INVENTORY,
    settings: { ...SETTINGS, ...settings },
    images: {
      files,
      checked: await openCheckedVolumes(folder),
    },
    observeTimeoutMs: 5000,
  });
  const bench = benchOf({
    simulator,
    hosts,
    sources: files.sources,
    libvirt: async () => (await byHand.get()).libvirt,
  });
  const close = async () => {
    for (const connection of [...connections, byHand]) connection.close();
    await simulator.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  return { bench, close };
}

function benchOf({
  simulator,
  hosts,
  libvirt,
  sources,
}: Pick<Bench, 'simulator' | 'hosts' | 'libvirt'> & { readonly sources: ReadSources }): Bench {
  const look = (desired: DesiredState) => hosts.observe(questionFor(desired), never);
  const bench: Bench = {
    simulator,
    host: simulator.host('a').host,
    hosts,
    libvirt,
    clear: () => {
      for (const { host } of simulator.hosts) reset(host);
    },
    async observe(desired) {
      const question =
        desired === undefined ? { offline: new Set<string>(), volumes: [] } : questionFor(desired);
      const host = (await hosts.observe(question, never)).hosts.get('a');
      if (host?.kind !== 'known') throw new Error(`a is unknown: ${host?.reason}`);
      return host;
    },
    async plan(given, now = NOW) {
      const desired = withReadSources(given, sources);
      return plan(desired, await look(desired), { now, commit: COMMIT });
    },
    async apply(steps, superseded) {
      for (const step of inOrder(steps)) await hosts.apply(step, () => undefined, superseded);
    },
    async converge(desired, now = NOW) {
      const done: string[] = [];
      for (let pass = 0; pass < 5; pass++) {
        const { steps, held } = await bench.plan(desired, now);
        if (held.length > 0) throw new Error(`held: ${held.map(({ reason }) => reason).join()}`);
        if (steps.length === 0) return done;
        await bench.apply(steps);
        done.push(...steps.map((step) => `${step.kind} ${subjectOf(step)}`));
      }
      throw new Error(`does not converge: ${done.join(', ')}`);
    },
  };
  return bench;
}

/** Each after those that it names in `after`, else as they stand. */
function inOrder(steps: readonly Step[]): Step[] {
  const done: Step[] = [];
  for (let open = [...steps]; open.length > 0; ) {
    const waits = new Set(open.map(stepId));
    const next = open.find(({ after = [] }) => !after.some((id) => waits.has(id)));
    if (next === undefined) throw new Error(`steps that wait for each other: ${[...waits].join(', ')}`);
    done.push(next);
    open = open.filter((step) => step !== next);
  }
  return done;
}

interface OpenConnection extends HostConnection {
  get(signal?: AbortSignal): Promise<HostClient>;
  close(): void;
}

/** Connects on demand and again after a loss, without the pauses of a HostLink. */
export function connectionTo(
  simulator: Simulator,
  { name, address, port }: Pick<RunningHost, 'name' | 'address' | 'port'>,
): OpenConnection {
  const target = {
    name,
    address,
    port,
    user: simulator.user,
    key: simulator.operatorKey,
    knownHosts: simulator.knownHosts,
    connectTimeoutMs: 5000,
    keepaliveMs: 0,
  };
  const host = { target, libvirt: { uri: 'qemu:///system', sudo: false } };
  let session: { client: HostClient; close: () => void } | undefined;
  return {
    name,
    async get() {
      if (session !== undefined && session.client.libvirt.closed === undefined) return session.client;
      session?.close();
      session = await connectHost(
        host,
        (stream, _, openMore) => openHostClient(stream, { openMore }),
        AbortSignal.timeout(10_000),
      );
      return session.client;
    },
    close: () => session?.close(),
  };
}

/** As it was at first: no VM, no volume but the image, every pool active. */
function reset(host: SimulatedHost): void {
  host.intercept = undefined;
  host.heal();
  for (const domain of host.domains.all()) {
    if (domain.run !== undefined) host.domains.destroy(domain, 0);
    // A transient one was gone when it was destroyed.
    if (domain.config !== undefined) host.domains.undefine(domain, 3);
  }
  for (const [path] of host.storage.files()) host.storage.removeFile(path);
  for (const pool of host.storage.pools().filter(({ name }) => name !== 'default' && name !== 'fast')) {
    if (pool.active) host.storage.stopPool(pool);
    host.storage.undefinePool(pool);
  }
  host.storage.putFile(`${POOL}/debian.qcow2`, imageFile(2 * GIB, 1024 ** 2));
  for (const pool of host.storage.pools()) {
    if (pool.active) host.storage.refresh(pool);
    else host.storage.startPool(pool);
  }
}

/** Counts the calls from now on and does `what` to the one with that index. */
export function breakCall(
  at: number,
  what: ReturnType<Intercept>,
): { intercept: Intercept; calls: () => number } {
  let calls = 0;
  return { intercept: () => (calls++ === at ? what : 'pass'), calls: () => calls };
}

/** Applies steps while the call with that number meets `cut`. `isOver`: they have done without so many calls. */
export async function applyCut(
  bench: Bench,
  steps: readonly Step[],
  { at, cut = 'drop-reply' }: { readonly at: number; readonly cut?: ReturnType<Intercept> },
): Promise<{ readonly failure: unknown; readonly isOver: boolean }> {
  const fault = breakCall(at, cut);
  bench.host.intercept = fault.intercept;
  const failure = await bench.apply(steps).catch((error: unknown) => error);
  bench.host.intercept = undefined;
  return { failure, isOver: failure === undefined && fault.calls() <= at };
}

/** Names of the volumes on host `a`, the image left out: `default/web-vda.qcow2`. */
export function volumesOf(host: SimulatedHost): string[] {
  const pools = host.storage.pools();
  return host.storage
    .files()
    .map(([path]) => {
      const pool = pools.find((candidate) => path.startsWith(`${candidate.path}/`));
      return volumeKey({ pool: pool?.name ?? '?', name: path.slice((pool?.path.length ?? 0) + 1) });
    })
    .filter((name) => name !== 'default/debian.qcow2')
    .toSorted();
}

/** Our VM of that name as the host shows it. */
export function ours(
  host: KnownHost,
  name = 'web',
): ObservedVm & { readonly mark: NonNullable<ObservedVm['mark']> } {
  const { owned } = arrangeFleet(CLUSTER, { hosts: new Map([[host.name, host]]) });
  const found = owned.filter(({ vm }) => vm.name === name);
  const [one] = found;
  if (one === undefined || found.length > 1)
    throw new Error(`${found.length} VMs of ours are called ${name}`);
  return { ...one.vm, mark: one.mark };
}
