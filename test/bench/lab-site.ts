import { join } from 'node:path';
import { buildGuestImage, type GuestImage, installBaseImage } from '../lab/guest.ts';
import { Lab } from '../lab/lab.ts';
import { BASE_IMAGE, type BenchSite, createBenchSite } from './site.ts';

/** Three real hosts with the base image, and a git remote. */
export interface LabSite extends BenchSite {
  readonly lab: Lab;
  readonly image: GuestImage;
}

/** Lends a lab to `use` and ends it whatever happens. */
export async function withLab<T>(use: (site: LabSite) => Promise<T>): Promise<T> {
  const image = await buildGuestImage();
  const lab = await Lab.start({ hosts: 3 });
  try {
    for (const host of lab.hosts) await installBaseImage(host, image, BASE_IMAGE);
    const hosts = lab.hosts.map(({ name, address, sshPort }) => ({ name, address, port: sshPort }));
    const { operatorKey: key, knownHosts } = lab;
    const site = await createBenchSite(join(lab.dir, 'site'), { key, knownHosts, hosts, virtType: 'qemu' });
    return await use({ ...site, lab, image });
  } finally {
    await lab.stop();
  }
}
