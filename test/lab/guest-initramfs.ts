import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { run } from './command.ts';
import type { Kernel } from './guest-kernel.ts';

export const BUSYBOX = '/bin/busybox';

/** The guest's first process. */
const INIT = 'guest-init';

/** In the order in which they must be loaded. One that a kernel has built in, or does not have, is left out. */
const MODULES = [
  'virtio_ring',
  'virtio',
  'virtio_pci_modern_dev',
  'virtio_pci_legacy_dev',
  'virtio_pci',
  'failover',
  'net_failover',
  'virtio_net',
  'virtio_blk',
  'virtio_balloon',
  'virtio_console',
  'fat',
  'nls_cp437',
  'nls_ascii',
  'nls_utf8',
  'vfat',
  'evdev',
  'button',
];

/** Packs busybox, the guest's init and the kernel's modules; returns the path of the file. */
export async function packInitramfs(kernel: Kernel, folder: string): Promise<string> {
  const root = join(folder, 'initramfs');
  for (const name of ['bin', 'etc', 'modules', 'proc', 'sys', 'dev', 'run', 'disk', 'data', 'seed'])
    mkdirSync(join(root, name), { recursive: true });
  copyFileSync(BUSYBOX, join(root, 'bin', 'busybox'));
  copyFileSync(join(import.meta.dirname, INIT), join(root, 'init'));
  chmodSync(join(root, 'init'), 0o755);
  const loaded = await copyModules(kernel, join(root, 'modules'));
  writeFileSync(join(root, 'modules', 'order'), loaded.map((file) => `${file}\n`).join(''));
  return archive(root, join(folder, 'initrd'));
}

async function copyModules(kernel: Kernel, target: string): Promise<readonly string[]> {
  const all = readdirSync(kernel.modules, { recursive: true, encoding: 'utf8' });
  const copied: string[] = [];
  for (const module of MODULES) {
    const found = all.find((path) =>
      [`${module}.ko`, `${module}.ko.xz`].includes(basename(path).replaceAll('-', '_')),
    );
    if (found === undefined) continue;
    const file = join(target, basename(found));
    copyFileSync(join(kernel.modules, found), file);
    if (file.endsWith('.xz')) await run(['xz', '--decompress', file]);
    copied.push(basename(file, '.xz'));
  }
  return copied;
}

/** The files go in sorted, so equal contents give an equal archive. */
async function archive(root: string, target: string): Promise<string> {
  const files = ['.', ...readdirSync(root, { recursive: true, encoding: 'utf8' }).toSorted()];
  const pack = [
    'cpio',
    '--create',
    '--quiet',
    '--format=newc',
    '--reproducible',
    '--owner=0:0',
    `--file=${target}`,
  ];
  await run(pack, { input: `${files.join('\n')}\n`, cwd: root });
  return target;
}
