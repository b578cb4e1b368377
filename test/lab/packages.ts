import { run } from './command.ts';

/** Debian packages that the lab needs, and why. */
const PACKAGES: Readonly<Record<string, string>> = {
  'libvirt-daemon-system': 'libvirtd',
  'libvirt-daemon-driver-qemu': "libvirt's driver for QEMU",
  virtinst: 'virt-clone, that the benchmark compares with',
  'libvirt-clients': 'virsh, and virt-ssh-helper for connections by exec',
  'qemu-system-x86': 'runs the guests',
  'qemu-utils': 'qemu-img makes and checks disks',
  seabios: "the guests' BIOS",
  'openssh-server': 'sshd of each host',
  'openssh-client': 'ssh-keygen makes the keys',
  iproute2: 'ip makes namespaces, bridges and cables',
  'dnsmasq-base': 'gives the guests addresses',
  'dropbear-bin': 'the SSH server of some guests',
  'dnsmasq-utils': 'dhcp_release ends a lease',
  'busybox-static': "the guest's whole user space",
  cpio: "packs the guest's initramfs",
  syslinux: "the guest's boot loader",
  mtools: 'writes and reads FAT file systems without mounting them',
  dosfstools: 'mkfs.vfat',
  fdisk: 'sfdisk partitions the guest image',
  'xz-utils': "unpacks the kernel's modules",
};

/** Installs what is missing, after saying so on standard error. Needs root on Debian. */
export async function ensurePackages(): Promise<void> {
  const installed = await installedPackages();
  const missing = Object.keys(PACKAGES).filter((name) => !installed.has(name));
  if (missing.length === 0) return;
  const list = missing.map((name) => `  ${name}: ${PACKAGES[name]}\n`);
  process.stderr.write(`The lab installs Debian packages:\n${list.join('')}`);
  await aptGet('update');
  await aptGet('install', '--yes', '--no-install-recommends', ...missing);
}

async function installedPackages(): Promise<ReadonlySet<string>> {
  const list = await run(['dpkg-query', '--show', '--showformat', '${db:Status-Status} ${Package}\n']);
  const prefix = 'installed ';
  const lines = list.split('\n').filter((line) => line.startsWith(prefix));
  return new Set(lines.map((line) => line.slice(prefix.length)));
}

/** Downloads a package into the folder, and installs nothing. */
export async function aptDownload(name: string, folder: string): Promise<void> {
  const download = () =>
    run(['apt-get', '--quiet', '-o', 'APT::Sandbox::User=root', 'download', name], { cwd: folder });
  // A mirror drops old versions: then the lists are out of date.
  await download().catch(async () => {
    await aptGet('update');
    await download();
  });
}

/** Runs apt-get without questions, and waits for another one to finish. */
export async function aptGet(...args: readonly string[]): Promise<void> {
  const quietly = [
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '--quiet',
    '-o',
    'DPkg::Lock::Timeout=120',
  ];
  await run([...quietly, ...args], { timeoutMs: 600_000 });
}
