import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../lab/command.ts';
import type { LabHost } from '../lab/host.ts';
import type { Lab } from '../lab/lab.ts';
import { type Figure, showMs, showTimes } from './figures.ts';
import { type LabSite, withLab } from './lab-site.ts';
import { startWatched } from './passes.ts';
import { BASE_IMAGE, pushTimed, writeFleet } from './site.ts';

const VMS_PER_HOST = 4;
const MEMORY_MIB = 128;
const GOAL_RATIO = 15;
const POOL = '/data01/primary';
const ORIGINAL = 'original';

/** Twelve VMs from a commit to running by the operator, and the same twelve by the commands of a script. */
export async function benchBuild(): Promise<readonly Figure[]> {
  return withLab(async (site) => {
    const { lab } = site;
    const operatorMs = await byOperator(site);
    for (const host of lab.hosts) await removeAll(host);
    for (const host of lab.hosts) await installOriginal(host);
    const scriptMs = await byScript(lab);
    for (const host of lab.hosts) await removeAll(host);
    const ratio = scriptMs / operatorMs;
    const count = lab.hosts.length * VMS_PER_HOST;
    return [
      {
        what: `${count} VMs to running on 3 hosts: git push begun -> commit applied`,
        value: showMs(operatorMs),
      },
      { what: 'the same by ssh: virt-clone, setmaxmem, setmem, start, in turn', value: showMs(scriptMs) },
      {
        what: 'script : operator',
        value: showTimes(ratio),
        goal: `>= ${GOAL_RATIO} x`,
        met: ratio >= GOAL_RATIO,
      },
    ];
  });
}

/** The operator is at work already, and connected, when the commit comes. */
async function byOperator({ lab, remote, config }: LabSite): Promise<number> {
  const names = lab.hosts.map(({ name }) => name);
  const first = await remote.push('No machines yet');
  const operator = await startWatched(config);
  try {
    await operator.applied(first);
    await operator.idle();
    writeFleet(remote, names, { vmsPerHost: VMS_PER_HOST, power: 'on', memoryGb: MEMORY_MIB / 1024 });
    const { sha, begunAt } = await pushTimed(remote, 'Twelve machines');
    const { recordedAt } = await operator.applied(sha);
    await Promise.all(lab.hosts.map(requireRunning));
    return recordedAt - begunAt;
  } finally {
    await operator.service.stop();
  }
}

async function byScript(lab: Lab): Promise<number> {
  const began = Date.now();
  for (const host of lab.hosts) {
    for (let index = 1; index <= VMS_PER_HOST; index++) {
      const name = `${host.name}-vm-${index}`;
      const clone = ['virt-clone', '--original', ORIGINAL, '--name', name, '--file', `${POOL}/${name}.img`];
      await ssh(lab, host, clone);
      for (const command of ['setmaxmem', 'setmem'])
        await ssh(lab, host, ['virsh', command, name, `${MEMORY_MIB}M`, '--config']);
      await ssh(lab, host, ['virsh', 'start', name]);
    }
  }
  const ms = Date.now() - began;
  await Promise.all(lab.hosts.map(requireRunning));
  return ms;
}

/** A connection of its own for each command. */
async function ssh({ operatorKey, knownHosts }: Lab, host: LabHost, argv: readonly string[]): Promise<void> {
  const options = [
    '-F',
    'none',
    '-i',
    operatorKey,
    '-o',
    `UserKnownHostsFile=${knownHosts}`,
    '-o',
    'BatchMode=yes',
  ];
  await run(['ssh', ...options, `root@${host.address}`, ...argv]);
}

async function requireRunning(host: LabHost): Promise<void> {
  const running = (await host.virsh('list', '--name')).split('\n').filter((name) => name.includes('-vm-'));
  if (running.length !== VMS_PER_HOST)
    throw new Error(`${host.name} runs ${running.length} VMs of ${VMS_PER_HOST}`);
}

/** The VM that a script copies: shut off, with the same content on a raw disk. */
async function installOriginal(host: LabHost): Promise<void> {
  const raw = `${POOL}/${ORIGINAL}.img`;
  await host.exec(['qemu-img', 'convert', '-O', 'raw', `${POOL}/${BASE_IMAGE}`, raw]);
  await host.virsh('pool-refresh', 'default');
  await host.define(`<domain type='qemu'>
  <name>${ORIGINAL}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/></features>
  <cpu mode='maximum'/>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='${raw}'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>
    <serial type='pty'/><console type='pty'/>
  </devices>
</domain>`);
}

async function removeAll(host: LabHost): Promise<void> {
  for (const name of (await host.virsh('list', '--name')).split('\n').filter(Boolean))
    await host.virsh('destroy', name);
  for (const name of (await host.virsh('list', '--all', '--name')).split('\n').filter(Boolean)) {
    await host.virsh('undefine', name);
    for (const file of [`${name}.img`, `${name}-vda.qcow2`])
      rmSync(join(host.poolDir, file), { force: true });
  }
  await host.virsh('pool-refresh', 'default');
}
