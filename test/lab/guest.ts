import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.ts';
import { packAgent } from './guest-agent.ts';
import { BUSYBOX, packInitramfs } from './guest-initramfs.ts';
import { downloadKernel, newestKernel } from './guest-kernel.ts';
import { packSshServer } from './guest-ssh-server.ts';
import type { LabHost } from './host.ts';
import { ensurePackages } from './packages.ts';

/** Root's alone: in a folder that everybody may write to, anybody could put an image of his own. */
const CACHE = '/var/cache/kvm-gitops-lab';
const MASTER_BOOT_RECORD = '/usr/lib/SYSLINUX/mbr.bin';
const DISK_MIB = 128;
/** First sector of the only partition, and what mtools calls its place in the image. */
const PARTITION_SECTOR = 2048;
const PARTITION_OFFSET = PARTITION_SECTOR * 512;

const BOOT_MENU = `default guest
prompt 0
label guest
  kernel vmlinuz
  append initrd=initrd console=ttyS0 quiet panic=1 no_timer_check mitigations=off random.trust_cpu=on
`;

/** A tiny bootable disk: a Linux that says `guest ready`, asks DHCP for an address, and stops at the power button. */
export interface GuestImage {
  /** A qcow2 file. */
  readonly path: string;
  readonly virtualBytes: number;
}

/** Builds the image from Debian packages: some seconds for each new version of what goes into it, else nothing. */
export async function buildGuestImage(): Promise<GuestImage> {
  await ensurePackages();
  const kernelPackage = await newestKernel();
  const folder = join(CACHE, contentHash(kernelPackage));
  const image = { path: join(folder, 'guest.qcow2'), virtualBytes: DISK_MIB * 1024 ** 2 };
  if (existsSync(image.path)) return image;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const scratch = mkdtempSync(join(folder, 'build-'));
  try {
    const built = await assemble(scratch, kernelPackage);
    renameSync(await packAgent(scratch), agentBeside(image.path));
    // On one file system, so nobody sees half a file. Of two builders at once the last one wins.
    renameSync(built, image.path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return image;
}

function contentHash(kernelPackage: string): string {
  const hash = createHash('sha256').update(kernelPackage).update(readFileSync(BUSYBOX));
  for (const source of ['guest.ts', 'guest-initramfs.ts', 'guest-init', 'guest-agent.ts']) {
    hash.update(readFileSync(join(import.meta.dirname, source)));
  }
  return hash.digest('hex').slice(0, 12);
}

/** A disk with one FAT partition and syslinux, made as plain files: no loop device, no mount. Returns the qcow2 file. */
async function assemble(folder: string, kernelPackage: string): Promise<string> {
  const kernel = await downloadKernel(kernelPackage, folder);
  const initrd = await packInitramfs(kernel, folder);
  const menu = join(folder, 'syslinux.cfg');
  writeFileSync(menu, BOOT_MENU);

  const disk = join(folder, 'disk.raw');
  writeFileSync(disk, readFileSync(MASTER_BOOT_RECORD));
  truncateSync(disk, DISK_MIB * 1024 ** 2);
  await run(['sfdisk', '--quiet', disk], {
    input: `label: dos\nstart=${PARTITION_SECTOR}, type=e, bootable\n`,
  });
  const blocks = String((DISK_MIB * 1024 ** 2 - PARTITION_OFFSET) / 1024);
  await run(['mkfs.vfat', '--offset', String(PARTITION_SECTOR), '-F', '16', disk, blocks]);
  const partition = `${disk}@@${PARTITION_OFFSET}`;
  await run(['mcopy', '-i', partition, menu, '::syslinux.cfg']);
  await run(['mcopy', '-i', partition, kernel.image, '::vmlinuz']);
  await run(['mcopy', '-i', partition, initrd, '::initrd']);
  await run(['syslinux', '--install', '--offset', String(PARTITION_OFFSET), disk]);

  const built = join(folder, 'guest.qcow2');
  await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk, built]);
  return built;
}

/** The agent's archive, built with the image: else each lab would ask for the package. */
function agentBeside(imagePath: string): string {
  return join(dirname(imagePath), 'agent.tar');
}

/**
 * `agent`: it runs QEMU's guest agent, and makes a file system on its data disk; `deaf`: it does not hear the power button;
 * `sshd`: it can be logged in to.
 */
export type GuestHabit = 'agent' | 'deaf' | 'sshd';

/** The same guest with habits: its init looks for a file of that name on its disk. The new image is made in `folder`. */
export async function withHabits(
  { path, virtualBytes }: GuestImage,
  habits: readonly GuestHabit[],
  folder: string,
): Promise<GuestImage> {
  const [raw, empty] = [join(folder, 'habits.raw'), join(folder, 'empty')];
  const changed = join(folder, `guest-${habits.join('-')}.qcow2`);
  writeFileSync(empty, '');
  await run(['qemu-img', 'convert', '-O', 'raw', path, raw]);
  for (const habit of habits) {
    const file = { sshd: () => packSshServer(folder), agent: () => agentBeside(path), deaf: () => empty }[
      habit
    ];
    await run(['mcopy', '-i', `${raw}@@${PARTITION_OFFSET}`, await file(), `::${habit}`]);
  }
  await run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, changed]);
  rmSync(raw);
  return { path: changed, virtualBytes };
}

/** Puts a base image into the host's pool `default`, read-only, and tells libvirt. Returns its path on the host. */
export async function installBaseImage(host: LabHost, image: GuestImage, volume: string): Promise<string> {
  const target = join(host.poolDir, volume);
  copyFileSync(image.path, `${target}.part`, constants.COPYFILE_FICLONE);
  chmodSync(`${target}.part`, 0o444);
  renameSync(`${target}.part`, target);
  await host.virsh('pool-refresh', 'default');
  return `/data01/primary/${volume}`;
}

/** Reads a file from the disk of a guest that is shut off, `boots.txt` for one: a line for each boot of that disk. */
export async function readGuestFile(host: LabHost, volume: string, file: string): Promise<string> {
  const name = `read-${randomUUID()}.raw`;
  const raw = join(host.stateDir, name);
  try {
    const copy = [
      'qemu-img',
      'convert',
      '-O',
      'raw',
      `/data01/primary/${volume}`,
      join(host.stateDirInside, name),
    ];
    await host.exec(copy);
    return await run(['mcopy', '-n', '-i', `${raw}@@${PARTITION_OFFSET}`, `::${file}`, '-']);
  } finally {
    rmSync(raw, { force: true });
  }
}
