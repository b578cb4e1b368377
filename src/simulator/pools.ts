import type { Element } from '@xmldom/xmldom';
import { attribute, elementAt, escapeXml, textAt } from '../core/xml.ts';
import { internalError, unsupportedConfig, xmlError } from './failure.ts';
import type { Pool, Storage } from './storage.ts';
import { parseRoot } from './xml-document.ts';

/** virStoragePoolState. */
const STATE = { inactive: 0, running: 2 } as const;
/** virConnectListAllStoragePoolsFlags; those of one row are alternatives, the rows go together. */
const ROWS: readonly (readonly (readonly [flags: number, test: (pool: Pool) => boolean])[])[] = [
  [
    [1, ({ active }) => !active],
    [2, ({ active }) => active],
  ],
  [
    [4, () => true],
    [8, () => false],
  ],
  [
    [16, ({ autostart }) => autostart],
    [32, ({ autostart }) => !autostart],
  ],
  [
    [0x40, ({ source }) => source === undefined],
    [0x100, ({ source }) => source !== undefined],
    // The other types of pool, of which there are none here.
    [0x7_fe80, () => false],
  ],
];

/** All flags that filter pools. */
export const POOL_FILTERS = 0x7_ffff;

export function poolPasses(pool: Pool, flags: number): boolean {
  return ROWS.every((row) => {
    const asked = row.filter(([mask]) => (flags & mask) !== 0);
    return asked.length === 0 || asked.some(([, test]) => test(pool));
  });
}

/** Defines a pool from its XML; only folders can be pools here. */
export function definePool(storage: Storage, xml: string): Pool {
  const expected = { root: 'pool', what: 'storage_pool_definition', origin: 'storage' } as const;
  const root = parseRoot(xml, expected);
  const type = attribute(root, 'type');
  if (type === undefined) throw internalError('storage', 'missing pool type attribute');
  if (!/^(dir|fs|netfs|logical|disk|iscsi|scsi|mpath|rbd|sheepdog|gluster|zfs|vstorage)$/.test(type))
    throw xmlError('xml', `Invalid value for attribute 'type' in element 'pool': '${type}'.`);
  if (type !== 'dir' && type !== 'netfs')
    throw unsupportedConfig('storage', `missing backend for pool type '${type}'`);
  const name = textAt(root, 'name') ?? textAt(root, 'source', 'name');
  if (name === undefined || name === '') throw xmlError('storage', 'missing pool source name element');
  const path = textAt(root, 'target', 'path');
  if (path === undefined || path === '') throw xmlError('storage', 'missing storage pool target path');
  const source = type === 'netfs' ? readSource(root) : undefined;
  const uuid = elementAt(root, 'uuid') === undefined ? undefined : textAt(root, 'uuid');
  return storage.addPool({ name, path, uuid, source });
}

function readSource(root: Element): NonNullable<Pool['source']> {
  const host = attribute(elementAt(root, 'source', 'host'), 'name');
  if (host === undefined) throw xmlError('storage', 'missing storage pool source host name');
  const folder = attribute(elementAt(root, 'source', 'dir'), 'path');
  if (folder === undefined) throw xmlError('storage', 'missing storage pool source path');
  return { host, path: folder };
}

/** State and sizes. They are those of the file system, which its pools share. */
export function poolInfo(storage: Storage, pool: Pool) {
  if (!pool.active) return { state: STATE.inactive, capacityBytes: 0, allocationBytes: 0, availableBytes: 0 };
  return { state: STATE.running, ...sizes(storage) };
}

/** A pool's XML as libvirt writes it, without permissions. */
export function renderPoolXml(storage: Storage, pool: Pool): string {
  const { capacityBytes, allocationBytes, availableBytes } = pool.active
    ? sizes(storage)
    : { capacityBytes: 0, allocationBytes: 0, availableBytes: 0 };
  return `<pool type='${pool.source === undefined ? 'dir' : 'netfs'}'>
  <name>${escapeXml(pool.name)}</name>
  <uuid>${pool.uuid}</uuid>
  <capacity unit='bytes'>${capacityBytes}</capacity>
  <allocation unit='bytes'>${allocationBytes}</allocation>
  <available unit='bytes'>${availableBytes}</available>
  <source>${renderSource(pool)}
  </source>
  <target>
    <path>${escapeXml(pool.path)}</path>
  </target>
</pool>
`;
}

function renderSource({ source }: Pool): string {
  if (source === undefined) return '';
  return `
    <host name='${escapeXml(source.host)}'/>
    <dir path='${escapeXml(source.path)}'/>
    <format type='auto'/>`;
}

function sizes(storage: Storage) {
  const allocationBytes = Math.min(storage.allocatedBytes(), storage.diskBytes);
  return {
    capacityBytes: storage.diskBytes,
    allocationBytes,
    availableBytes: storage.diskBytes - allocationBytes,
  };
}
