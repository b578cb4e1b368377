import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { setInterval } from 'node:timers';
import { copyVolume } from '../../src/hosts/copy/copy-volume.ts';
import type { VolumeEnd } from '../../src/hosts/copy/volume-end.ts';
import { connectHost, type Session } from '../../src/hosts/host-link.ts';
import { type Libvirt, openLibvirt } from '../../src/libvirt/libvirt.ts';
import type { LabHost } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { type Figure, median, showMiB, showTimes } from './figures.ts';

const MIB = 1024 ** 2;
const ROUNDS = 3;
/** Of the disk that is compared with `cat`: a quarter of it is data. */
const DISK = { sizeMiB: 1024, dataMiB: 256 } as const;
const DATA_OF_LARGE_MIB = 128;
/** For memory: what is copied is to make no difference. */
const DATA_MIB = { little: 512, much: 2048 } as const;

interface Run {
  readonly ms: number;
  /** Until the check began. */
  readonly copiedMs: number;
  /** The most that the process held at once. */
  readonly peakMiB: number;
}

/** A volume copied from host to host through the operator, beside the same through a pipe of two `ssh`. */
export async function benchCopy(): Promise<readonly Figure[]> {
  const lab = await Lab.start({ hosts: 2 });
  const sessions: Session<Libvirt>[] = [];
  try {
    const [from, to] = [lab.host('t01'), lab.host('t02')];
    for (const host of [from, to]) sessions.push(await connect(lab, host));
    const site = { lab, from, to, clients: sessions.map(({ client }) => client) };
    return await measure(site);
  } finally {
    for (const session of sessions) session.close();
    await lab.stop();
  }
}

interface Site {
  readonly lab: Lab;
  readonly from: LabHost;
  readonly to: LabHost;
  readonly clients: readonly Libvirt[];
}

async function measure(site: Site): Promise<readonly Figure[]> {
  await makeDisk(site.from, 'disk', DISK);
  await copyOnce(site, 'disk');
  const copies: Run[] = [];
  const pipes: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await remove(site.to, 'disk');
    pipes.push(pipeOnce(site, 'disk'));
    await remove(site.to, 'disk');
    copies.push(await copyOnce(site, 'disk'));
  }
  const [copied, checked, piped] = [
    median(copies.map(({ copiedMs }) => copiedMs)),
    median(copies.map(({ ms }) => ms)),
    median(pipes),
  ];

  const small = { sizeMiB: 1024, dataMiB: DATA_OF_LARGE_MIB };
  const large = { sizeMiB: 8 * 1024, dataMiB: DATA_OF_LARGE_MIB };
  await makeDisk(site.from, 'small', small);
  await makeDisk(site.from, 'large', large);
  const smallRun = await copyOnce(site, 'small');
  const largeRun = await copyOnce(site, 'large');
  await makeDisk(site.from, 'little', { sizeMiB: DATA_MIB.little, dataMiB: DATA_MIB.little });
  await makeDisk(site.from, 'much', { sizeMiB: DATA_MIB.much, dataMiB: DATA_MIB.much });
  const little = await copyOnce(site, 'little');
  const much = await copyOnce(site, 'much');

  const disk = `1 GiB with ${DISK.dataMiB} MiB of data`;
  return [
    rate(`${disk}, ssh cat | ssh cat`, piped),
    { ...rate(`${disk}, copied`, copied), ...asFastAs(copied, piped) },
    { ...rate(`${disk}, copied and checked`, checked), ...asFastAs(checked, piped) },
    {
      what: `8 GiB with ${DATA_OF_LARGE_MIB} MiB of data, against 1 GiB with as much, copied and checked`,
      value: showTimes(largeRun.ms / smallRun.ms),
      goal: '< 1.5 x',
      met: largeRun.ms / smallRun.ms < 1.5,
    },
    {
      what: `memory of all, copying ${DATA_MIB.much / 1024} GiB of data (${DATA_MIB.little / 1024} GiB)`,
      value: `${Math.round(much.peakMiB)} (${Math.round(little.peakMiB)}) MiB`,
      goal: `< ${showMiB(little.peakMiB + 32)}`,
      met: much.peakMiB < little.peakMiB + 32,
    },
  ];
}

function rate(what: string, ms: number): Figure {
  return { what, value: `${Math.round(DISK.dataMiB / (ms / 1000))} MiB/s` };
}

function asFastAs(ms: number, otherMs: number): Pick<Figure, 'goal' | 'met'> {
  return { goal: `< ${(otherMs / 1000).toFixed(1)} s`, met: ms < otherMs };
}

async function copyOnce({ from, to, clients }: Site, name: string): Promise<Run> {
  const end = (host: LabHost, client: Libvirt | undefined): VolumeEnd => {
    if (client === undefined) throw new Error('two clients are connected');
    return { host: host.name, client, pool: 'default', name };
  };
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 100);
  const begun = performance.now();
  let copiedMs = 0;
  await copyVolume(end(from, clients[0]), end(to, clients[1]), {
    onProgress: ({ phase }) => {
      if (phase === 'copying') copiedMs = performance.now() - begun;
    },
  });
  clearInterval(watch);
  return { ms: performance.now() - begun, copiedMs, peakMiB: peak / MIB };
}

/** What an administrator would type. */
function pipeOnce({ lab, from, to }: Site, name: string): number {
  const ssh = (host: LabHost, command: string) =>
    `ssh -q -i ${lab.operatorKey} -o UserKnownHostsFile=${lab.knownHosts} root@${host.address} "${command}"`;
  const path = `/data01/primary/${name}`;
  const begun = performance.now();
  execFileSync('bash', ['-c', `${ssh(from, `cat ${path}`)} | ${ssh(to, `cat > ${path}`)}`]);
  return performance.now() - begun;
}

/** Data in pieces of 1 MiB with holes between them, or nothing but data. */
async function makeDisk(
  host: LabHost,
  name: string,
  { sizeMiB, dataMiB }: { readonly sizeMiB: number; readonly dataMiB: number },
): Promise<void> {
  const path = join('/data01/primary', name);
  const step = sizeMiB / dataMiB;
  const fill = `head -c ${dataMiB}M /dev/urandom > ${path}`;
  const write = `for ((i = 0; i < ${dataMiB}; i++)); do
    dd if=/dev/urandom of=${path} bs=1M count=1 seek=$((i * ${step})) conv=notrunc status=none; done`;
  await host.exec(['bash', '-c', step === 1 ? fill : `truncate -s ${sizeMiB}M ${path}; ${write}`], {
    timeoutMs: 300_000,
  });
  await host.virsh('pool-refresh', 'default');
}

async function remove(host: LabHost, name: string): Promise<void> {
  await host.exec(['rm', '-f', `/data01/primary/${name}`]);
  await host.virsh('pool-refresh', 'default');
}

function connect({ operatorKey, knownHosts }: Lab, host: LabHost): Promise<Session<Libvirt>> {
  const target = {
    name: host.name,
    address: host.address,
    port: host.sshPort,
    user: 'root',
    key: operatorKey,
    knownHosts,
    connectTimeoutMs: 20_000,
    keepaliveMs: 5000,
  };
  return connectHost(
    { target, libvirt: { uri: 'qemu:///system', sudo: false } },
    (stream, signal, openMore) => openLibvirt(stream, { signal, openMore }),
    AbortSignal.timeout(30_000),
  );
}
