import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { copyProgram, packFolder } from './guest-program.ts';
import { aptDownload } from './packages.ts';

/** The agent's way of shutting down; what the guest's own init does otherwise. */
const SHUTDOWN = `#!/bin/sh
echo 'guest stops: agent' > /dev/console
umount /disk
poweroff -f
`;

/**
 * QEMU's guest agent with the libraries that it needs, as an archive that a guest unpacks when it finds it on its disk. The
 * package is only unpacked: installed, it would start an agent here.
 */
export async function packAgent(folder: string): Promise<string> {
  const unpacked = join(folder, 'agent-package');
  mkdirSync(unpacked);
  await aptDownload('qemu-guest-agent', unpacked);
  const archive = readdirSync(unpacked).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new Error('apt-get download qemu-guest-agent left no file');
  await run(['dpkg', '-x', join(unpacked, archive), unpacked]);

  const root = join(folder, 'agent');
  await copyProgram({ file: join(unpacked, 'usr/sbin/qemu-ga'), as: '/usr/sbin/qemu-ga' }, root);
  mkdirSync(join(root, 'sbin'));
  writeFileSync(join(root, 'sbin/shutdown'), SHUTDOWN);
  chmodSync(join(root, 'sbin/shutdown'), 0o755);
  return packFolder(root, join(folder, 'agent.tar'));
}
