import type { Libvirt } from '../../src/libvirt/libvirt.ts';
import type { SimulatedHost } from '../../src/simulator/host.ts';
import { imageFile } from '../../src/simulator/volumes.ts';
import { GIB } from '../builders.ts';

/** A VM as the scripts of old made it: not ours, on another machine type, with a CD-ROM. */
export interface HandMade {
  readonly name: string;
  readonly uuid: string;
  /** Its disks: target and file. */
  readonly disks: Readonly<Record<string, string>>;
  /** Instead of a card on br0. */
  readonly cards?: string;
  /** After its disks, in `<devices>`. */
  readonly devices?: string;
  readonly memory?: string;
  readonly metadata?: string;
}

/** Its XML. */
export function handMadeXml({
  name,
  uuid,
  disks,
  cards,
  devices = '',
  memory,
  metadata = '',
}: HandMade): string {
  const card = `<interface type='bridge'><mac address='52:54:00:aa:bb:01'/><source bridge='br0'/></interface>`;
  const drives = Object.entries(disks).map(
    ([target, file]) =>
      `<disk type='file' device='disk'><source file='${file}'/><target dev='${target}'/></disk>`,
  );
  return `<domain type='kvm'><name>${name}</name><uuid>${uuid}</uuid>${metadata}
    ${memory ?? "<memory unit='MiB'>4096</memory><currentMemory unit='MiB'>2048</currentMemory>"}
    <vcpu current='2'>8</vcpu><os><type machine='pc'>hvm</type></os>
    <devices>${drives.join('')}
      <disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk>
      ${cards ?? card}${devices}</devices></domain>`;
}

/** Makes it on a simulated host, with its disks of 2 GiB. */
export async function makeByHand(
  host: SimulatedHost,
  { domains }: Libvirt,
  { running = false, ...vm }: HandMade & { readonly running?: boolean },
): Promise<void> {
  for (const file of Object.values(vm.disks)) host.storage.putFile(file, imageFile(2 * GIB, GIB));
  for (const pool of host.storage.pools()) if (pool.active) host.storage.refresh(pool);
  const domain = await domains.define(handMadeXml(vm));
  await domains.setAutostart(domain, true);
  if (running) await domains.start(domain);
}
