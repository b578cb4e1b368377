import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { waitFor } from '../lab/wait.ts';
import { atMost, type Figure, median, percentile, showMs } from './figures.ts';
import { startWatched, type WatchedOperator } from './passes.ts';
import { BASE_IMAGE, type BenchSite, createBenchSite, pushTimed, SECRET, writeFleet } from './site.ts';

const HOSTS = ['t01', 't02', 't03'];
const PUSHES = 60;
const DELIVERIES = 30;
const GOAL_MS = 100;

/** From a push to a local remote, and from a webhook, to the first call to a host; and when the note is there. */
export async function benchReaction(): Promise<readonly Figure[]> {
  const calls = watchCalls();
  const simulator = await startSimulator({
    hosts: HOSTS.map((name) => ({
      name,
      cpus: 8,
      memoryMiB: 16_384,
      images: [{ volume: BASE_IMAGE, sizeGiB: 1 }],
    })),
    intercept: calls.intercept,
  });
  const dir = mkdtempSync(join(tmpdir(), 'kvm-gitops-bench-'));
  const access = { key: simulator.operatorKey, knownHosts: simulator.knownHosts, hosts: simulator.hosts };
  const site = await createBenchSite(dir, { ...access, virtType: 'kvm' });
  writeFleet(site.remote, HOSTS, { vmsPerHost: 2, power: 'on', memoryGb: 1 });
  const first = await site.remote.push('First machines');
  const operator = await startWatched(site.config, calls.expect);
  try {
    await operator.applied(first);
    const pushes = await measurePushes(site, operator, calls);
    const deliveries = await measureDeliveries(operator, calls);
    return [...pushFigures(pushes), ...deliveryFigures(deliveries)];
  } finally {
    await operator.service.stop();
    await simulator.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** When the first call came in after a pass had begun to ask. */
interface Calls {
  readonly intercept: () => 'pass';
  readonly expect: (sha: string) => void;
  /** First calls, one for each pass. */
  readonly first: readonly { readonly sha: string; readonly at: number }[];
}

function watchCalls(): Calls {
  const first: { sha: string; at: number }[] = [];
  let expected: string | undefined;
  return {
    intercept: () => {
      if (expected !== undefined) first.push({ sha: expected, at: Date.now() });
      expected = undefined;
      return 'pass';
    },
    expect: (sha) => {
      expected = sha;
    },
    first,
  };
}

interface PushSample {
  readonly fromReturn: number;
  readonly fromRefMoved: number;
  /** From the end of the pass to the note in the remote. */
  readonly noteLag: number;
}

async function measurePushes(
  { remote }: BenchSite,
  operator: WatchedOperator,
  calls: Calls,
): Promise<PushSample[]> {
  const samples: PushSample[] = [];
  for (let count = 1; count <= PUSHES; count++) {
    await operator.idle();
    remote.write('manifests/remarks.yaml', `# Remark ${count}: changes no machine.\n[]\n`);
    const { sha, returnedAt, refMovedAt } = await pushTimed(remote, `Remark ${count}`);
    const { recordedAt } = await operator.applied(sha);
    const calledAt = calls.first.find((call) => call.sha === sha)?.at ?? Number.NaN;
    await operator.idle();
    const noteAt = statSync(join(remote.path, 'refs/notes/kvm-gitops')).mtimeMs;
    samples.push({
      fromReturn: calledAt - returnedAt,
      fromRefMoved: calledAt - refMovedAt,
      noteLag: noteAt - recordedAt,
    });
  }
  return samples;
}

function pushFigures(samples: readonly PushSample[]): readonly Figure[] {
  const fromReturn = samples.map((sample) => sample.fromReturn);
  const fromRefMoved = samples.map((sample) => sample.fromRefMoved);
  const p50 = median(fromReturn);
  return [
    {
      what: `git push returned -> first libvirt call, p50 of ${samples.length}`,
      value: showMs(p50),
      ...atMost(GOAL_MS, p50, showMs),
    },
    { what: 'git push returned -> first libvirt call, p99', value: showMs(percentile(fromReturn, 99)) },
    { what: 'branch moved in the remote -> first libvirt call, p50', value: showMs(median(fromRefMoved)) },
    {
      what: 'branch moved in the remote -> first libvirt call, p99',
      value: showMs(percentile(fromRefMoved, 99)),
    },
    {
      what: 'commit applied -> note in the remote, p50',
      value: showMs(median(samples.map(({ noteLag }) => noteLag))),
    },
  ];
}

async function measureDeliveries(operator: WatchedOperator, calls: Calls): Promise<number[]> {
  const body = JSON.stringify({ ref: 'refs/heads/main' });
  const signature = `sha256=${createHmac('sha256', SECRET).update(body).digest('hex')}`;
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': signature };
  const samples: number[] = [];
  for (let count = 0; count < DELIVERIES; count++) {
    await operator.idle();
    const before = calls.first.length;
    const { status } = await fetch(`${operator.service.address}/webhook`, { method: 'POST', body, headers });
    const acceptedAt = Date.now();
    if (status !== 202) throw new Error(`the webhook answered ${status}`);
    const calledAt = await waitFor('the first call', () => calls.first[before]?.at, {
      timeoutMs: 10_000,
      intervalMs: 2,
    });
    samples.push(calledAt - acceptedAt);
  }
  return samples;
}

function deliveryFigures(samples: readonly number[]): readonly Figure[] {
  return [
    {
      what: `webhook accepted -> first libvirt call, p50 of ${samples.length}`,
      value: showMs(median(samples)),
    },
    { what: 'webhook accepted -> first libvirt call, p99', value: showMs(percentile(samples, 99)) },
  ];
}
