import type { Element } from '@xmldom/xmldom';
import type { VolumeRef } from '../../core/mark.ts';
import { attribute, parseXml } from '../../core/xml.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import { refreshPool } from '../refresh-pool.ts';
import type { DomainRef, StepContext } from './context.ts';
import { describeVolume } from './volumes.ts';

interface Disk {
  readonly pool: string;
  readonly name: string;
  readonly path: string;
}

/** Says who uses a disk besides the VM itself: `VM rescue`; undefined: nobody on this host. */
export type FindUser = (disk: Disk) => string | undefined;

/**
 * Looks at everything on the host that could use a disk: other VMs, as they are defined and as they run now, and
 * overlays in any active pool, those included that were made past libvirt. `own`: volumes that go together with the
 * disk, and whose use of it does not count.
 */
export async function findDiskUsers(
  context: Pick<StepContext, 'client'>,
  vmUuid?: string,
  own: readonly VolumeRef[] = [],
): Promise<FindUser> {
  const [vms, overlays] = await Promise.all([otherVms(context, vmUuid), allOverlays(context)]);
  return (disk) => {
    const vm = vms.find(({ sources }) => sources.some((source) => isOn(source, disk)));
    if (vm !== undefined) return `VM ${vm.name}`;
    const overlay = overlays.find(
      ({ backing, pool, name }) =>
        backing === disk.path && !own.some((volume) => volume.pool === pool && volume.name === name),
    );
    return overlay && `volume ${overlay.name} of pool ${overlay.pool}, an overlay of it`;
  };
}

/** Disks, CD-ROMs and what a running VM's disks are overlays of: libvirt calls each a source. */
function isOn(source: Element, { pool, name, path }: Disk): boolean {
  if (attribute(source, 'file') === path) return true;
  return attribute(source, 'pool') === pool && attribute(source, 'volume') === name;
}

async function otherVms({ client }: Pick<StepContext, 'client'>, vmUuid: string | undefined) {
  const others = (await client.domains.list()).filter(({ uuid }) => uuid !== vmUuid);
  return Promise.all(
    others.map(async (domain) => {
      const texts = await Promise.all([xmlOf(client, domain, true), xmlOf(client, domain, false)]);
      const sources = texts.flatMap((xml) =>
        xml === undefined ? [] : [...parseXml(xml).getElementsByTagName('source')],
      );
      return { name: domain.name, sources };
    }),
  );
}

async function xmlOf(
  client: StepContext['client'],
  domain: DomainRef,
  inactive: boolean,
): Promise<string | undefined> {
  try {
    return await client.domains.xml(domain, { inactive });
  } catch (error) {
    // Gone since it was listed: another purge is at work.
    if (isLibvirtError(error, 'NO_DOMAIN')) return undefined;
    throw error;
  }
}

async function allOverlays(context: Pick<StepContext, 'client'>) {
  const { client } = context;
  const pools = await client.pools.list({ active: true });
  const perPool = await Promise.all(
    pools.map(async (pool) => {
      await refreshPool(client, pool);
      const volumes = await client.pools.volumes(pool);
      return Promise.all(volumes.map((volume) => overlayOf(context, volume)));
    }),
  );
  return perPool.flat().filter((overlay) => overlay !== undefined);
}

async function overlayOf(context: Pick<StepContext, 'client'>, volume: Parameters<typeof describeVolume>[1]) {
  try {
    const { backing } = await describeVolume(context, volume);
    return backing === undefined ? undefined : { pool: volume.pool, name: volume.name, backing };
  } catch (error) {
    if (isLibvirtError(error, 'NO_STORAGE_VOL')) return undefined;
    throw error;
  }
}
