import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Image } from '../../core/desired.ts';
import type { ImageStep } from '../../core/step.ts';
import { renderEmptyFile } from '../../core/volume-xml.ts';
import { OperatorError } from '../../errors.ts';
import { fileBytes, versionOf } from '../images/checked-volumes.ts';
import { hashExtent, withHoles } from '../images/extents.ts';
import type { ImageFile } from '../images/image-files.ts';
import { createMeter, metered } from '../images/meter.ts';
import { refreshPool } from '../refresh-pool.ts';
import type { PoolRef, StepContext, StoredVolume } from './context.ts';
import { findDiskUsers } from './disk-users.ts';
import { describeVolume, findVolume, openPool } from './volumes.ts';

const CHUNK_BYTES = 256 * 1024;

/**
 * Brings an image to the host: an empty, read-only volume is made, filled, and read back whole. What is there already is
 * read too. Nothing is made of a volume before it was found right; one that is shorter than the image was cut short, so
 * nothing was ever made of it and it is made again; one that is as long and differs is left for a person to look at.
 */
export async function bringImage(context: StepContext, given: ImageStep): Promise<void> {
  const { files, openSource } = context.images;
  const file = await files.open(given.image, { progress: context.progress, openSource });
  const { image } = file;
  const step = { ...given, image };
  const pool = await openPool(context, image.pool);
  const ref = { pool: image.pool, name: image.volume };
  const look = async () => {
    await refreshPool(context.client, pool.ref);
    return findVolume(context, ref);
  };
  // Hosts may see one folder, whatever their pools say of it: what one is filling must not look cut short to another.
  await context.images.onePerFile(`${pool.path}/${image.volume}`, async () => {
    const found = await look();
    if (found !== undefined && !(await isCutShort(context, step, { volume: found, file }))) return;
    await context.images.inTurn(() => upload(context, { image, pool: pool.ref, file }));
  });
  const there = await look();
  if (there !== undefined && (await isRight(context, step, { volume: there, file }))) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `image ${image.name} was copied to ${step.host} and is not there whole`,
  );
}

interface Copy {
  readonly volume: StoredVolume;
  readonly file: ImageFile;
}

/** True: it was, and is no longer there. */
async function isCutShort(context: StepContext, step: ImageStep, { volume, file }: Copy): Promise<boolean> {
  if (fileBytes(await context.client.volumes.xml(volume)) >= file.bytes) return false;
  await deleteCutShort(context, step, volume);
  return true;
}

/** True: it is what git names, and that is remembered. False: it is shorter. Throws where it is something else. */
async function isRight(context: StepContext, step: ImageStep, { volume, file }: Copy): Promise<boolean> {
  const { client, images } = context;
  const ref = { pool: step.image.pool, name: step.image.volume };
  const before = await client.volumes.xml(volume);
  if (images.checked.has(step.host, ref, before)) return true;
  const bytes = fileBytes(before);
  if (bytes < file.bytes) return false;
  const hash = bytes === file.bytes ? await hashVolume(context, volume, file.bytes) : undefined;
  const after = await client.volumes.xml(volume);
  if (versionOf(after) !== versionOf(before)) throw notOurs(step, 'is being written to at this moment');
  if (hash !== step.image.content?.sha256) throw notOurs(step, DIFFERS);
  await images.checked.remember(step.host, ref, after);
  return true;
}

const DIFFERS =
  'is not what its name says: nothing is made of it. Look who wrote to it; if nothing uses it, `virsh vol-delete` it and it is copied again';

async function deleteCutShort(context: StepContext, step: ImageStep, volume: StoredVolume): Promise<void> {
  const { path } = await describeVolume(context, volume);
  const userOf = await findDiskUsers(context);
  const user = userOf({ pool: volume.pool, name: volume.name, path });
  if (user !== undefined) throw notOurs(step, `is too short, and ${user} uses it`);
  context.progress('deleting an unfinished copy');
  await context.client.volumes.delete(volume);
}

async function upload(
  { client, progress }: StepContext,
  { image, pool, file }: { readonly image: Image; readonly pool: PoolRef; readonly file: ImageFile },
): Promise<void> {
  const volume = await client.volumes.create(pool, renderEmptyFile(image.volume));
  const meter = createMeter('copying', file.bytes, progress);
  const source = createReadStream(file.path, { highWaterMark: CHUNK_BYTES });
  const range = { volume, offsetBytes: 0, lengthBytes: 0 };
  await client.volumes.uploadSparse(range, withHoles(metered(source, meter)));
}

async function hashVolume(
  { client, progress }: StepContext,
  volume: StoredVolume,
  bytes: number,
): Promise<string> {
  const hash = createHash('sha256');
  const meter = createMeter('reading back', bytes, progress);
  const content = client.volumes.downloadSparse({ volume, offsetBytes: 0, lengthBytes: 0 });
  for await (const extent of metered(content, meter)) hashExtent(hash, extent);
  return hash.digest('hex');
}

function notOurs({ image, host }: ImageStep, what: string): OperatorError {
  return new OperatorError(
    'E_NOT_OURS',
    `image ${image.name} on ${host}: ${image.pool}/${image.volume} ${what}`,
  );
}
