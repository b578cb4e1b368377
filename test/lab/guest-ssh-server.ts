import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.ts';

const SERVER = '/usr/sbin/dropbear';

/** An SSH server with the libraries that it needs, as an archive that a guest unpacks when it finds it on its disk. */
export async function packSshServer(folder: string): Promise<string> {
  const root = join(folder, 'sshd');
  const libraries = [...(await run(['ldd', SERVER])).matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? '');
  for (const file of [SERVER, ...libraries]) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    cpSync(file, join(root, file), { dereference: true });
  }
  const archive = join(folder, 'sshd.tar');
  await run(['tar', '--create', '--file', archive, '--directory', root, '.']);
  rmSync(root, { recursive: true });
  return archive;
}
