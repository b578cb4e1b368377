import type { HostVolume } from '../../core/image-inventory.ts';
import { parseXml, textAt } from '../../core/xml.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { Libvirt } from '../../libvirt/libvirt.ts';
import { refreshPool } from '../refresh-pool.ts';
import { findDiskUsers } from '../steps/disk-users.ts';
import { type CheckedVolumes, versionOf } from './checked-volumes.ts';

interface Look {
  readonly host: string;
  readonly checked: CheckedVolumes;
  readonly signal?: AbortSignal;
}

/** Every volume in the active pools of a host, looked at anew. */
export async function listHostVolumes(
  client: Libvirt,
  { host, checked, signal }: Look,
): Promise<HostVolume[]> {
  const options = signal === undefined ? {} : { signal };
  const pools = await client.pools.list({ active: true, ...options });
  const perPool = await Promise.all(
    pools.map(async (pool) => {
      await refreshPool(client, pool, options);
      const refs = await client.pools.volumes(pool, options);
      return Promise.all(refs.map((ref) => describe(client, ref, { host, checked, ...options })));
    }),
  );
  return perPool.flat().filter((volume) => volume !== undefined);
}

/** Deletes a volume, after a last look for what uses it on its host; gone already is fine. */
export async function deleteHostVolume(client: Libvirt, { pool, name, path }: HostVolume): Promise<void> {
  const user = (await findDiskUsers({ client }))({ pool, name, path });
  if (user !== undefined)
    throw new OperatorError('E_NOT_OURS', `${pool}/${name} is not deleted: ${user} uses it`);
  try {
    await client.volumes.delete(await client.volumes.byName(await client.pools.byName(pool), name));
  } catch (error) {
    if (!isLibvirtError(error, 'NO_STORAGE_VOL')) throw error;
  }
}

async function describe(
  client: Libvirt,
  ref: Parameters<Libvirt['volumes']['xml']>[0],
  { host, checked, signal }: Look,
): Promise<HostVolume | undefined> {
  try {
    const xml = await client.volumes.xml(ref, signal === undefined ? {} : { signal });
    const root = parseXml(xml);
    const backing = textAt(root, 'backingStore', 'path');
    return {
      pool: ref.pool,
      name: ref.name,
      path: textAt(root, 'target', 'path') ?? ref.key,
      bytes: Number(textAt(root, 'physical') ?? 0),
      version: versionOf(xml),
      checked: checked.has(host, ref, xml),
      ...(backing !== undefined && { backing }),
    };
  } catch (error) {
    // Gone since it was listed.
    if (isLibvirtError(error, 'NO_STORAGE_VOL')) return undefined;
    throw error;
  }
}
