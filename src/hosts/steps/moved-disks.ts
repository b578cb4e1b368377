import { createHash } from 'node:crypto';
import type { VolumeRef } from '../../core/mark.ts';
import type { MovedVolume } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import { versionOf } from '../images/checked-volumes.ts';
import type { StepContext, StoredVolume } from './context.ts';
import { describeVolume, findVolume, openPool } from './volumes.ts';

/** A VM that moves, as messages name it. */
export interface Traveller {
  readonly vm: string;
  readonly volumes: readonly MovedVolume[];
}

/** Where each file of the source is to be on the target. */
export async function mappedFiles(
  source: StepContext,
  target: StepContext,
  volumes: readonly MovedVolume[],
): Promise<ReadonlyMap<string, string>> {
  const files = await Promise.all(
    volumes.map(async ({ from, to }) => {
      const [there, here] = await Promise.all([openPool(source, from.pool), openPool(target, to.pool)]);
      return [`${there.path}/${from.name}`, `${here.path}/${to.name}`] as const;
    }),
  );
  return new Map(files);
}

/** Changes with any write to one of the source's files. */
export async function stampOf(source: StepContext, { vm, volumes }: Traveller): Promise<string> {
  const versions = await Promise.all(
    volumes.map(async ({ from }) => {
      const volume = await requireVolume(source, vm, from);
      return `${from.pool}/${from.name} ${versionOf(await source.client.volumes.xml(volume))}`;
    }),
  );
  return createHash('sha256').update(versions.toSorted().join('\n')).digest('hex').slice(0, 16);
}

export async function requireVolume(context: StepContext, vm: string, ref: VolumeRef): Promise<StoredVolume> {
  const volume = await findVolume(context, ref);
  if (volume !== undefined) return volume;
  throw new OperatorError(
    'E_MOVE',
    `${vm}: its volume ${ref.name} is not in pool ${ref.pool} of ${context.host}`,
  );
}

/** An overlay is nothing without the file that it lies over: the very same one, byte for byte. */
export async function requireSameBases(
  source: StepContext,
  target: StepContext,
  { vm, volumes }: Traveller,
): Promise<void> {
  for (const { from, isShared } of volumes) {
    const bases = isShared ? undefined : await findBases(source, target, from);
    if (bases === undefined) continue;
    const { path, there, here } = bases;
    if (there === undefined || here === undefined)
      throw new OperatorError(
        'E_IMAGE_MISSING',
        `${vm}: ${from.name} is an overlay of ${path}, which is in no active pool of ${there === undefined ? source.host : target.host}`,
      );
    if ((await isKnownCopy(source, there)) && (await isKnownCopy(target, here)) && there.name === here.name)
      continue;
    if ((await contentOf(source, there)) !== (await contentOf(target, here)))
      throw new OperatorError(
        'E_IMAGE_MISSING',
        `${vm}: ${from.name} is an overlay of ${path}, and ${here.pool}/${here.name} of ${target.host} is another file`,
      );
  }
}

/** The path on the target of what a volume is an overlay of; undefined: it is none. */
export async function baseOf(
  source: StepContext,
  target: StepContext,
  { from }: MovedVolume,
): Promise<string | undefined> {
  const here = (await findBases(source, target, from))?.here;
  return here && (await describeVolume(target, here)).path;
}

/** What a volume is an overlay of, and the volume of the same pool and name on the target. */
async function findBases(source: StepContext, target: StepContext, ref: VolumeRef) {
  const volume = await findVolume(source, ref);
  const path = volume && (await describeVolume(source, volume)).backing;
  if (path === undefined) return undefined;
  const there = await volumeAt(source, path);
  return { path, there, here: there && (await findVolume(target, there)) };
}

async function volumeAt({ client }: StepContext, path: string): Promise<StoredVolume | undefined> {
  try {
    return await client.volumes.byPath(path);
  } catch (error) {
    if (isLibvirtError(error, 'NO_STORAGE_VOL')) return undefined;
    throw error;
  }
}

/** We have brought and checked it: its name says what is in it. */
async function isKnownCopy({ client, host, images }: StepContext, volume: StoredVolume): Promise<boolean> {
  if (!/^base-[0-9a-f]{16}\./.test(volume.name)) return false;
  return images.checked.has(host, volume, await client.volumes.xml(volume));
}

/** The sha256 of a base image that people brought: read once. */
async function contentOf(
  { client, host, images, progress }: StepContext,
  volume: StoredVolume,
): Promise<string> {
  const xml = await client.volumes.xml(volume);
  const key = `${host}/${volume.pool}/${volume.name}@${versionOf(xml)}`;
  const known = images.hashes.get(key);
  if (known !== undefined) return known;
  progress(`reading base image ${volume.name} on ${host}`);
  const hash = createHash('sha256');
  for await (const chunk of client.volumes.download({ volume, offsetBytes: 0, lengthBytes: 0 }))
    hash.update(chunk);
  const sum = hash.digest('hex');
  images.hashes.set(key, sum);
  return sum;
}
