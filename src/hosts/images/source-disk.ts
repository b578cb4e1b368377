import type { ImageContent, SourceVm } from '../../core/desired.ts';
import { parseDomain } from '../../core/domain-definition.ts';
import { sourceDisk } from '../../core/source-vm.ts';
import { attribute, elementAt, elementsAt, parseXml, textAt } from '../../core/xml.ts';
import { OperatorError } from '../../errors.ts';
import type { Extent } from '../../libvirt/byte-stream.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { refreshPool } from '../refresh-pool.ts';
import { fileBytes, versionOf } from './checked-volumes.ts';

type VolumeRef = Awaited<ReturnType<Libvirt['volumes']['byPath']>>;

/** The disk of a VM that is shut off, open for reading. */
export interface SourceDisk {
  /** As the VM has it; a guest could write another header into a raw disk. */
  readonly format: ImageContent['format'];
  readonly bytes: number;
  content(): AsyncIterable<Extent>;
  /** Throws E_IMAGE_MISSING where it was written to, or the VM started, since it was opened. */
  requireUnchanged(): Promise<void>;
}

/** Opens the disk that a VM boots from. Throws E_IMAGE_MISSING saying why it cannot be read. */
export async function openSourceDisk(client: Libvirt, source: SourceVm): Promise<SourceDisk> {
  await requireShutOff(client, source);
  const { file, format } = await findDisk(client, source);
  const volume = await volumeAt(client, file, source);
  const before = await client.volumes.xml(volume);
  const backing = textAt(parseXml(before), 'backingStore', 'path');
  if (backing !== undefined) throw problem(source, overlayOf(file, backing));
  return {
    format,
    bytes: fileBytes(before),
    content: () => client.volumes.downloadSparse({ volume, offsetBytes: 0, lengthBytes: 0 }),
    async requireUnchanged() {
      await requireShutOff(client, source);
      if (versionOf(await client.volumes.xml(volume)) === versionOf(before)) return;
      throw problem(source, `${file} was written to while it was read`);
    },
  };
}

async function requireShutOff({ domains }: Libvirt, source: SourceVm): Promise<void> {
  const domain = await byName(domains, source);
  const { state } = await domains.state(domain);
  if (state !== 'shutoff')
    throw problem(source, `it is ${state}: shut it off, a copy of a disk in use is broken`);
}

async function byName(domains: Libvirt['domains'], source: SourceVm) {
  try {
    return await domains.byName(source.name);
  } catch (error) {
    if (isLibvirtError(error, 'NO_DOMAIN')) throw problem(source, 'there is no VM of that name');
    throw error;
  }
}

async function findDisk(
  { domains }: Libvirt,
  source: SourceVm,
): Promise<{ readonly file: string; readonly format: ImageContent['format'] }> {
  const xml = await domains.xml(await byName(domains, source), { inactive: true });
  const disk = sourceDisk(parseDomain(xml));
  if (disk?.file === undefined) throw problem(source, 'its first disk is no file');
  const element = elementsAt(parseXml(xml), 'devices', 'disk').find(
    (candidate) => attribute(elementAt(candidate, 'target'), 'dev') === disk.target,
  );
  const format = attribute(element && elementAt(element, 'driver'), 'type') ?? 'raw';
  if (format !== 'raw' && format !== 'qcow2')
    throw problem(source, `its disk is ${format}: only qcow2 and raw are images`);
  return { file: disk.file, format };
}

async function volumeAt(client: Libvirt, file: string, source: SourceVm): Promise<VolumeRef> {
  for (const pool of await client.pools.list({ active: true })) await refreshPool(client, pool);
  try {
    return await client.volumes.byPath(file);
  } catch (error) {
    if (isLibvirtError(error, 'NO_STORAGE_VOL'))
      throw problem(source, `${file} is in no active storage pool: define a pool for its folder there`);
    throw error;
  }
}

function overlayOf(file: string, backing: string): string {
  return (
    `${file} is an overlay of ${backing}, and an image has to stand alone. Merge its snapshots, make that VM anew with ` +
    '`clone: full`, or give it a copy made by `virsh vol-clone`, which is whole'
  );
}

function problem({ name, host }: SourceVm, what: string): OperatorError {
  return new OperatorError(
    'E_IMAGE_MISSING',
    `the disk of VM ${name} on ${host} cannot be an image: ${what}`,
  );
}
