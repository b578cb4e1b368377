import type { BootDisk, DataDisk } from '../../core/desired.ts';
import { renderVolume } from '../../core/volume-xml.ts';
import { OperatorError } from '../../errors.ts';
import { LibvirtError } from '../../libvirt/errors.ts';
import type { StepContext, StoredVolume } from './context.ts';
import { describeVolume, findVolume, openPool } from './volumes.ts';

const GIB = 1024 ** 3;
const MAKING = ['storageVolCreateXml', 'storageVolCreateXmlFrom'];

/** True where the disk that was to be filled was certainly not made: libvirt refused it, or was never asked. */
export function isNotMade(error: unknown): boolean {
  if (error instanceof LibvirtError) return MAKING.includes(error.procedure);
  return error instanceof OperatorError && error.code === 'E_IMAGE_MISSING';
}

/** Makes the boot disk from its base image: a thin overlay, or a full copy that is grown to size. */
export async function fillBootDisk(context: StepContext, disk: BootDisk): Promise<void> {
  const { client } = context;
  const { image } = disk;
  const source = await findVolume(context, { pool: image.pool, name: image.volume });
  if (source === undefined) {
    throw new OperatorError(
      'E_IMAGE_MISSING',
      `base image ${image.name}: no volume ${image.volume} in pool ${image.pool}`,
    );
  }
  await requireTrusted(context, image, source);
  const { capacityBytes } = await client.volumes.info(source);
  const capacity = Math.max(capacityBytes, (disk.sizeGiB ?? 0) * GIB);
  const { ref: pool } = await openPool(context, disk.pool);

  if (disk.clone === 'overlay') {
    context.progress(`overlay of ${image.name}`);
    const backing = await describeVolume(context, source);
    await client.volumes.create(pool, renderVolume(disk.volume, capacity, backing));
  } else {
    context.progress(`copying ${image.name}`);
    const xml = renderVolume(disk.volume, capacity);
    const copy = await client.volumes.clone(source, { pool, xml }, { timeoutMs: context.copyTimeoutMs });
    await growTo(context, copy, capacity);
  }
  await requireCapacity(context, { pool: disk.pool, name: disk.volume }, capacity);
}

/** Nothing is made of a volume that was brought and not checked since. */
async function requireTrusted(
  { client, images, host }: StepContext,
  { name, content }: BootDisk['image'],
  source: StoredVolume,
): Promise<void> {
  if (content === undefined || images.checked.has(host, source, await client.volumes.xml(source))) return;
  throw new OperatorError(
    'E_IMAGE_MISSING',
    `base image ${name}: ${source.name} was not checked, or has changed since`,
  );
}

/** Makes an empty data disk. */
export async function fillDataDisk(context: StepContext, disk: DataDisk): Promise<void> {
  context.progress(`disk ${disk.target}`);
  const capacity = disk.sizeGiB * GIB;
  const { ref: pool } = await openPool(context, disk.pool);
  await context.client.volumes.create(pool, renderVolume(disk.volume, capacity));
  await requireCapacity(context, { pool: disk.pool, name: disk.volume }, capacity);
}

async function growTo({ client }: StepContext, volume: StoredVolume, capacity: number): Promise<void> {
  const { capacityBytes } = await client.volumes.info(volume);
  if (capacityBytes < capacity) await client.volumes.resize(volume, capacity);
}

async function requireCapacity(
  context: StepContext,
  ref: { readonly pool: string; readonly name: string },
  capacity: number,
): Promise<void> {
  const volume = await findVolume(context, ref);
  const found = volume === undefined ? undefined : await context.client.volumes.info(volume);
  if (found?.capacityBytes === capacity) return;
  const is = found === undefined ? 'is not there' : `has ${found.capacityBytes} bytes`;
  throw new OperatorError(
    'E_POSTCONDITION',
    `volume ${ref.name} in pool ${ref.pool} was made with ${capacity} bytes and ${is}`,
  );
}
