import { connectSsh, type SshConnection } from '../../src/hosts/ssh.ts';
import { runCli } from '../lab/operator-process.ts';
import { atMost, type Figure, median, percentile, showMs, showTimes } from './figures.ts';
import { withLab } from './lab-site.ts';
import { startWatched, type WatchedOperator } from './passes.ts';
import { SECRET, writeFleet } from './site.ts';

const VMS_PER_HOST = 100;
const ROUNDS = 30;
const GOAL_MS = 150;
const GOAL_RATIO = 2;
const DOMSTATS = ['virsh', '-c', 'qemu:///system', 'domstats'];

/** Observe and plan of three real hosts with 100 VMs each, and beside it one `virsh domstats` on each. */
export async function benchIdlePass(): Promise<readonly Figure[]> {
  return withLab(async ({ lab, remote, config, configFile }) => {
    const names = lab.hosts.map(({ name }) => name);
    writeFleet(remote, names, { vmsPerHost: VMS_PER_HOST, power: 'off', memoryGb: 0.125 });
    const sha = await remote.push('Many machines that are off');
    const operator = await startWatched(config);
    let figures: readonly Figure[];
    const connections = await Promise.all([...config.hosts.values()].map(({ target }) => connectSsh(target)));
    try {
      const created = await operator.applied(sha, 240_000);
      await operator.idle();
      const { passMs, wholeMs, virshMs } = await alternate(operator, connections);
      figures = [
        {
          what: `create ${3 * VMS_PER_HOST} VMs, off, in one commit`,
          value: showMs(created.report.durationMs),
        },
        ...judgedFigures(passMs, virshMs),
        { what: 'the whole pass, with git fetch and record, median', value: showMs(median(wholeMs)) },
      ];
    } finally {
      for (const connection of connections) connection.close();
      await operator.service.stop();
    }
    return [...figures, await coldStart(configFile)];
  });
}

/** A program that was killed knows no more than one that is new: from its start to hosts that are as git wants them. */
async function coldStart(config: string): Promise<Figure> {
  const began = performance.now();
  const { code, stderr } = await runCli(['reconcile', '--once'], { config, env: { WEBHOOK_SECRET: SECRET } });
  if (code !== 0) throw new Error(stderr);
  const ms = performance.now() - began;
  return { what: 'start of `kvm-gitops reconcile --once` to its end, nothing to do', value: showMs(ms) };
}

function judgedFigures(passMs: readonly number[], virshMs: readonly number[]): readonly Figure[] {
  const ratio = median(passMs) / median(virshMs);
  return [
    {
      what: `3 hosts x ${VMS_PER_HOST} VMs, nothing to do: observe + plan, median of ${passMs.length}`,
      value: showMs(median(passMs)),
      ...atMost(GOAL_MS, median(passMs), showMs),
    },
    { what: 'the same, p90', value: showMs(percentile(passMs, 90)) },
    {
      what: 'virsh domstats on each, open SSH connections, in parallel, median',
      value: showMs(median(virshMs)),
    },
    {
      what: 'observe + plan : virsh domstats',
      value: showTimes(ratio),
      ...atMost(GOAL_RATIO, ratio, showTimes),
    },
  ];
}

/** By turns, so that whatever else the machine does falls on both. */
async function alternate(operator: WatchedOperator, connections: readonly SshConnection[]) {
  const [passMs, wholeMs, virshMs] = [[], [], []] as [number[], number[], number[]];
  for (let round = 0; round < ROUNDS; round++) {
    const asked = performance.now();
    const { judgedMs, report } = await operator.pass();
    wholeMs.push(performance.now() - asked);
    if (report.steps.length + report.held.length + report.unknownHosts.length > 0)
      throw new Error('there was something to do');
    passMs.push(judgedMs);
    await operator.idle();
    const began = performance.now();
    const answers = await Promise.all(connections.map((connection) => connection.exec(DOMSTATS)));
    virshMs.push(performance.now() - began);
    for (const { code, stderr } of answers) if (code !== 0) throw new Error(stderr);
  }
  return { passMs, wholeMs, virshMs };
}
