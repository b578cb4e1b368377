import { join } from 'node:path';
import { copyProgram, packFolder } from './guest-program.ts';

const SERVER = '/usr/sbin/dropbear';

/** An SSH server with the libraries that it needs, as an archive that a guest unpacks when it finds it on its disk. */
export async function packSshServer(folder: string): Promise<string> {
  const root = join(folder, 'sshd');
  await copyProgram({ file: SERVER, as: SERVER }, root);
  return packFolder(root, join(folder, 'sshd.tar'));
}
