import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { aptDownload, aptGet } from './packages.ts';

/** Debian's kernel for virtual machines, not installed: only unpacked. */
export interface Kernel {
  /** The kernel's own file. */
  readonly image: string;
  /** Folder with all its modules. */
  readonly modules: string;
}

/** Name and version of the newest kernel package, as `linux-image-6.1.0-56-cloud-amd64=6.1.192-2`. */
export async function newestKernel(): Promise<string> {
  const known = await resolveKernel();
  if (known !== undefined) return known;
  await aptGet('update');
  const found = await resolveKernel();
  if (found === undefined)
    throw new Error('apt knows no package linux-image-cloud-amd64; is its `main` component on?');
  return found;
}

/** The metapackage depends on exactly the kernel of the day. */
async function resolveKernel(): Promise<string | undefined> {
  const shown = await run(['apt-cache', 'show', '--no-all-versions', 'linux-image-cloud-amd64']).catch(
    () => '',
  );
  const [, name, version] = /^Depends:.*?(linux-image-\S+) \(= (\S+)\)/m.exec(shown) ?? [];
  return name === undefined || version === undefined ? undefined : `${name}=${version}`;
}

/** Downloads the package into the folder and unpacks it there. */
export async function downloadKernel(kernelPackage: string, folder: string): Promise<Kernel> {
  await aptDownload(kernelPackage, folder);
  const archive = readdirSync(folder).find((file) => file.endsWith('.deb'));
  if (archive === undefined) throw new Error(`apt-get download ${kernelPackage} left no file in ${folder}`);
  const root = join(folder, 'kernel');
  mkdirSync(root);
  await run(['dpkg', '-x', join(folder, archive), root]);
  const release = kernelPackage.slice('linux-image-'.length, kernelPackage.indexOf('='));
  // Since Debian 13 /lib is a part of /usr in packages too.
  const modules = ['lib', 'usr/lib']
    .map((lib) => join(root, lib, 'modules', release))
    .find((path) => existsSync(path));
  if (modules === undefined) throw new Error(`${kernelPackage} has no folder of modules for ${release}`);
  return { image: join(root, 'boot', `vmlinuz-${release}`), modules };
}
