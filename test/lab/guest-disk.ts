import type { LabHost } from './host.ts';

/** Near the end of the smallest disk, where no file system has put anything. */
const PATTERN = '-P 0xa5 100M 64k';

/** Writes a byte pattern on a disk of a running VM, through its own QEMU, as the guest would. */
export async function writeToDisk(host: LabHost, vm: string, volume: string): Promise<void> {
  const monitor = (command: string) => host.virsh('qemu-monitor-command', vm, '--hmp', command);
  const disks = await monitor('info block');
  const device = disks.split(`/${volume} `)[1]?.match(/Attached to: +(\S+)/)?.[1];
  if (device === undefined) throw new Error(`${vm} has no disk ${volume}:\n${disks}`);
  for (const command of [`write ${PATTERN}`, 'flush']) {
    // Past the device: its block node lets nobody else write while the guest has it.
    const answer = await monitor(`qemu-io -d ${device} "${command}"`);
    if (/error|failed|conflict|cannot/i.test(answer)) throw new Error(`${command}: ${answer}`);
  }
  if (!(await diskHas(host, volume))) throw new Error(`${volume} does not hold what was written`);
}

/** Whether the pattern is on it; the VM may run. */
export async function diskHas(host: LabHost, volume: string): Promise<boolean> {
  const read = `qemu-io -U -r -f qcow2 -c 'read ${PATTERN}' "$0" 2>&1; true`;
  const answer = await host.exec(['sh', '-c', read, `/data01/primary/${volume}`]);
  if (/Pattern verification failed/.test(answer)) return false;
  if (/read 65536\/65536 bytes/.test(answer)) return true;
  throw new Error(`${volume} cannot be read: ${answer}`);
}
