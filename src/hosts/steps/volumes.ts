import type { VolumeRef } from '../../core/mark.ts';
import { attribute, elementAt, parseXml, textAt } from '../../core/xml.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { PoolRef, StepContext, StoredVolume } from './context.ts';

/** An active pool whose volumes are files. Throws E_IMAGE_MISSING naming what is wrong with it. */
export async function openPool(
  { client }: StepContext,
  name: string,
): Promise<{ ref: PoolRef; path: string }> {
  const ref = await client.pools.byName(name);
  if (!(await client.pools.isActive(ref)))
    throw new OperatorError('E_IMAGE_MISSING', `storage pool ${name} is not active`);
  const path = textAt(parseXml(await client.pools.xml(ref)), 'target', 'path');
  if (path === undefined)
    throw new OperatorError('E_IMAGE_MISSING', `storage pool ${name} is not a folder of files`);
  return { ref, path };
}

/** The volume, or undefined when pool or volume are not there. */
export async function findVolume(
  { client }: StepContext,
  { pool, name }: VolumeRef,
): Promise<StoredVolume | undefined> {
  try {
    return await client.volumes.byName(await client.pools.byName(pool), name);
  } catch (error) {
    if (isLibvirtError(error, 'NO_STORAGE_VOL', 'NO_STORAGE_POOL')) return undefined;
    throw error;
  }
}

/** Path and format of a volume, and of the file that it is an overlay of. */
export async function describeVolume(
  { client }: Pick<StepContext, 'client'>,
  volume: StoredVolume,
): Promise<{ readonly path: string; readonly format: string; readonly backing?: string }> {
  const root = parseXml(await client.volumes.xml(volume));
  const backing = textAt(root, 'backingStore', 'path');
  return {
    path: textAt(root, 'target', 'path') ?? (await client.volumes.path(volume)),
    format: attribute(elementAt(root, 'target', 'format'), 'type') ?? 'raw',
    ...(backing !== undefined && { backing }),
  };
}
