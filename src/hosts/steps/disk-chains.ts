import { readDiskSources, withDiskFiles } from '../../core/disk-sources.ts';
import { parseDomain } from '../../core/domain-definition.ts';
import type { VolumeRef } from '../../core/mark.ts';
import { renderVolume } from '../../core/volume-xml.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import { refreshPool } from '../refresh-pool.ts';
import type { DomainRef, StepContext } from './context.ts';
import { describeVolume, findVolume, openPool } from './volumes.ts';

/** The files of each disk, by target, the one that is written to first. */
export type DiskFiles = ReadonlyMap<string, readonly string[]>;

/** What each disk of a VM is made of now: as QEMU has it while it runs, else as the files themselves say. */
export async function diskFiles(context: StepContext, domain: DomainRef): Promise<DiskFiles> {
  const { domains } = context.client;
  const { state } = await domains.state(domain);
  if (state !== 'shutoff' && state !== 'crashed') {
    return new Map(readDiskSources(await domains.xml(domain)).map(({ target, files }) => [target, files]));
  }
  await refreshPools(context);
  const disks = readDiskSources(await domains.xml(domain, { inactive: true }));
  const chains = await Promise.all(
    disks.map(async ({ target, files: [file] }) => [target, await chainFrom(context, file)] as const),
  );
  return new Map(chains);
}

/** libvirt tells of an overlay what it was of when its pool was last looked at. */
async function refreshPools({ client }: StepContext): Promise<void> {
  const pools = await client.pools.list({ active: true });
  await Promise.all(pools.map((pool) => refreshPool(client, pool)));
}

async function chainFrom(context: StepContext, file: string | undefined): Promise<readonly string[]> {
  if (file === undefined) return [];
  try {
    const volume = await context.client.volumes.byPath(file);
    const { backing } = await describeVolume(context, volume);
    return [file, ...(await chainFrom(context, backing))];
  } catch (error) {
    // Outside every pool: nothing of ours is behind it.
    if (isLibvirtError(error, 'NO_STORAGE_VOL')) return [file];
    throw error;
  }
}

/** The file that each disk writes to by the VM's definition, by target. */
export async function definedFiles(
  { client }: StepContext,
  domain: DomainRef,
): Promise<ReadonlyMap<string, string>> {
  const disks = readDiskSources(await client.domains.xml(domain, { inactive: true }));
  return new Map(disks.flatMap(({ target, files: [file] }) => (file === undefined ? [] : [[target, file]])));
}

/** Gives disks other files in the definition, and reads them back. What runs is not touched. */
export async function defineFiles(
  context: StepContext,
  domain: DomainRef,
  files: ReadonlyMap<string, string>,
): Promise<void> {
  const { domains } = context.client;
  const xml = await domains.xml(domain, { inactive: true, secure: true });
  await context.defineInTurn(() => domains.define(withDiskFiles(xml, files)));
  const now = await definedFiles(context, domain);
  for (const [target, file] of files) {
    if (now.get(target) === file) continue;
    throw new OperatorError(
      'E_POSTCONDITION',
      `${parseDomain(xml).name}: disk ${target} was put on ${file} and is on ${now.get(target)}`,
    );
  }
}

/** Where a volume is. */
export async function pathOf(context: StepContext, { pool, name }: VolumeRef): Promise<string> {
  return `${(await openPool(context, pool)).path}/${name}`;
}

/** Makes an empty overlay of a file, or takes the one that an earlier try made. */
export async function makeOverlay(context: StepContext, ref: VolumeRef, frozen: VolumeRef): Promise<void> {
  const { client } = context;
  const below = await findVolume(context, frozen);
  if (below === undefined)
    throw new OperatorError('E_SNAPSHOT', `pool ${frozen.pool} has no volume ${frozen.name}`);
  const { path, format } = await describeVolume(context, below);
  const earlier = await findVolume(context, ref);
  if (earlier !== undefined) {
    const found = await describeVolume(context, earlier);
    if (found.format === 'qcow2' && found.backing === path) return;
    // A file that is no overlay of it is one of which only the beginning was written.
    await client.volumes.delete(earlier);
  }
  const { capacityBytes } = await client.volumes.info(below);
  const { ref: pool } = await openPool(context, ref.pool);
  await client.volumes.create(pool, renderVolume(ref.name, capacityBytes, { path, format }));
}

/** A name for an overlay that neither the VM nor anything else in the pool has: `web-vda.before-upgrade.qcow2`. */
export async function freeName(
  context: StepContext,
  wanted: { readonly pool: string; readonly base: string; readonly snapshot: string },
  taken: readonly VolumeRef[],
): Promise<string> {
  const { client } = context;
  const { ref: pool } = await openPool(context, wanted.pool);
  await refreshPool(client, pool);
  const there = new Set([
    ...(await client.pools.volumes(pool)).map(({ name }) => name),
    ...taken.filter((volume) => volume.pool === wanted.pool).map(({ name }) => name),
  ]);
  const stem = wanted.base.replace(/\.qcow2$/, '');
  for (let number = 1; ; number++) {
    const name = `${stem}.${wanted.snapshot}${number === 1 ? '' : `-${number}`}.qcow2`;
    if (!there.has(name)) return name;
  }
}
