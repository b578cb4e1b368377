import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../../src/config.ts';
import { buildDesired } from '../../src/core/build-desired.ts';
import type { DesiredState } from '../../src/core/desired.ts';
import { renderDomain } from '../../src/core/domain-xml.ts';
import { plan } from '../../src/core/plan.ts';
import type { CreateStep } from '../../src/core/step.ts';
import { createLogger } from '../../src/log.ts';
import { buildContext, createOperator, type Operator, openMirror } from '../../src/operator.ts';
import { reconcile } from '../../src/reconcile/reconcile.ts';
import { type Simulator, startSimulator } from '../../src/simulator/simulator.ts';
import { imageFile } from '../../src/simulator/volumes.ts';
import { knownHost, observedState } from '../builders.ts';
import { atMost, type Figure, HEAP_LIMIT_MIB, median, showMiB, showMs } from './figures.ts';
import { type PassTimes, watchPasses } from './passes.ts';
import { type SideTimes, timeBySide } from './sides.ts';
import { BASE_IMAGE, createBenchSite, writeFleet } from './site.ts';

const HOSTS = 1000;
const VMS_PER_HOST = 20;
const STEADY_PASSES = 5;
const GOAL_MS = 5000;
const GOAL_MIB = 1024;
const GIB = 1024 ** 3;
const POOL_PATH = '/var/lib/libvirt/images';

/** A thousand simulated hosts, each behind an SSH server of its own, and the operator, all in this process. */
export async function benchFleet(): Promise<readonly Figure[]> {
  const names = Array.from({ length: HOSTS }, (_, index) => `kvm-${index + 1}`);
  const image = { volume: BASE_IMAGE, sizeGiB: 1 };
  const simulator = await startSimulator({
    hosts: names.map((name) => ({ name, cpus: 32, memoryMiB: 64 * 1024, images: [image] })),
    oneHostKey: true,
  });
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-bench-'));
  try {
    const { operatorKey: key, knownHosts, hosts } = simulator;
    const { remote, config } = await createBenchSite(dir, { key, knownHosts, hosts, virtType: 'kvm' });
    writeFleet(remote, names, { vmsPerHost: VMS_PER_HOST, power: 'on', memoryGb: 1 });
    const sha = await remote.push('A large fleet');
    const log = createLogger({ level: 'error' });
    await populate(simulator, await desiredOf(config), sha);
    const watch = watchPasses();
    const operator = await createOperator(config, { log, onProgress: watch.onProgress });
    try {
      return figuresOf(await measure(operator, watch.passes));
    } finally {
      await operator.close();
    }
  } finally {
    await simulator.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function desiredOf(config: Config): Promise<DesiredState> {
  const { files } = await openMirror(config, createLogger({ level: 'error' })).fetch(
    AbortSignal.timeout(60_000),
  );
  const built = buildDesired(files, buildContext(config));
  if (!built.ok) throw new Error(built.issues[0]?.message);
  return built.desired;
}

/** Leaves the hosts as the operator would have made them, without the hour of SSH that it would take. */
async function populate(simulator: Simulator, desired: DesiredState, commit: string): Promise<void> {
  const empty = simulator.hosts.map(({ name }) =>
    knownHost(name, [], {
      volumes: new Map([[`default/${BASE_IMAGE}`, { capacity: GIB, allocation: GIB }]]),
    }),
  );
  const { steps } = plan(desired, observedState(...empty), { now: new Date(), commit });
  for (const step of steps) if (step.kind === 'create') make(simulator, step);
}

function make(simulator: Simulator, { host: name, spec, macs, mark }: CreateStep): void {
  const { domains, storage } = simulator.host(name).host;
  const place = { virtType: 'kvm', arch: 'x86_64', poolPath: () => POOL_PATH } as const;
  storage.addVolume(storage.poolByName('default'), spec.bootDisk.volume, imageFile(GIB, 0));
  const domain = domains.define(renderDomain(spec, macs, mark, place), false);
  domains.setAutostart(domain, spec.autostart);
  domains.start(domain, 0);
}

interface Measured {
  readonly connectMs: number;
  readonly first: PassTimes;
  readonly steady: readonly PassTimes[];
  readonly wholeMs: readonly number[];
  readonly cpuMs: readonly number[];
  readonly sides: SideTimes;
  readonly peakMiB: number;
}

async function measure({ deps, links }: Operator, passes: readonly PassTimes[]): Promise<Measured> {
  const began = performance.now();
  await Promise.all([...links.values()].map((link) => link.get()));
  const connectMs = performance.now() - began;
  const wholeMs: number[] = [];
  const cpuMs: number[] = [];
  const once = async () => {
    const passBegan = performance.now();
    const cpuBefore = process.cpuUsage();
    await reconcile(deps, { trigger: 'bench', signal: new AbortController().signal });
    wholeMs.push(performance.now() - passBegan);
    const { user, system } = process.cpuUsage(cpuBefore);
    cpuMs.push((user + system) / 1000);
  };
  await once();
  for (let round = 0; round < STEADY_PASSES; round++) await once();
  const [first, ...steady] = passes;
  if (first === undefined) throw new Error('there was no pass');
  for (const { report } of passes) requireIdle(report);
  // Before the profiler, which takes memory of its own.
  const peakMiB = process.resourceUsage().maxRSS / 1024;
  return {
    connectMs,
    first,
    steady,
    wholeMs: wholeMs.slice(1),
    cpuMs: cpuMs.slice(1),
    peakMiB,
    sides: await timeBySide(once),
  };
}

function requireIdle({ status, steps, held, unknownHosts }: PassTimes['report']): void {
  if (status === 'applied' && steps.length + held.length + unknownHosts.length === 0) return;
  throw new Error(
    `there was something to do: ${status}, ${steps.length} steps, ${held.length} held, ` +
      `${unknownHosts.length} unknown hosts ${JSON.stringify([...unknownHosts, ...held, ...steps][0])}`,
  );
}

function figuresOf({
  connectMs,
  first,
  steady,
  wholeMs,
  cpuMs,
  sides,
  peakMiB,
}: Measured): readonly Figure[] {
  const passMs = median(steady.map(({ judgedMs }) => judgedMs));
  const { operatorMs, simulatorMs, eitherMs } = sides;
  return [
    { what: `connect to ${HOSTS} hosts: SSH, libvirt, facts; both sides`, value: showMs(connectMs) },
    {
      what: `first observe + plan of ${HOSTS} hosts x ${VMS_PER_HOST} VMs`,
      value: showMs(first.judgedMs),
      ...atMost(GOAL_MS, first.judgedMs, showMs),
    },
    {
      what: `next observe + plan, nothing to do, median of ${steady.length}`,
      value: showMs(passMs),
      ...atMost(GOAL_MS, passMs, showMs),
    },
    { what: 'the whole pass, with git fetch and record, median', value: showMs(median(wholeMs)) },
    { what: 'processor time of a whole pass, both sides, median', value: showMs(median(cpuMs)) },
    {
      what: 'of that: operator / simulated libvirtd / SSH and sockets of both',
      value: sharesOf([operatorMs, simulatorMs, eitherMs]),
    },
    {
      what: `peak memory, both sides in one process, heap limited to ${HEAP_LIMIT_MIB} MiB`,
      value: showMiB(peakMiB),
      ...atMost(GOAL_MIB, peakMiB, showMiB),
    },
  ];
}

function sharesOf(parts: readonly number[]): string {
  const whole = parts.reduce((sum, part) => sum + part, 0);
  return `${parts.map((part) => Math.round((100 * part) / whole)).join('/')} %`;
}
