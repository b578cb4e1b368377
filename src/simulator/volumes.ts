import type { Element } from '@xmldom/xmldom';
import { attribute, elementAt, escapeXml, textAt } from '../core/xml.ts';
import type { VolumeRef } from '../libvirt/protocol/procedure.ts';
import {
  CODES,
  internalError,
  invalidArgument,
  LibvirtFailure,
  systemError,
  unsupportedConfig,
  wrongState,
  xmlError,
} from './failure.ts';
import type { DiskFile, Pool, Storage } from './storage.ts';
import { bytesAt, parseRoot } from './xml-document.ts';

const FORMATS = ['raw', 'qcow2', 'qcow', 'qed', 'vmdk', 'vdi', 'vpc', 'iso', 'bochs', 'cow', 'dir'];
/** What an empty qcow2 file takes up, and how long it is. */
const EMPTY_ALLOCATION = 200_704;
const EMPTY_LENGTH = 196_616;
const SECTOR = 512;
/** virStorageVolResizeFlags. */
const RESIZE = { delta: 2, shrink: 4 } as const;

/** Makes a volume as its XML says: raw, or qcow2 with or without a backing file. */
export function createVolume(storage: Storage, pool: Pool, xml: string): VolumeRef {
  const { root, name } = readVolume(xml);
  const backing = readBacking(root);
  const capacity = bytesAt(root, 'capacity', 'bytes');
  if (capacity === undefined && backing === undefined) throw xmlError('storage', 'missing capacity element');
  const format = readFormat(root);
  if (pool.volumes.has(name)) {
    throw new LibvirtFailure(CODES.STORAGE_VOL_EXIST, 'storage', `storage volume '${name}' exists already`);
  }
  const under = backing === undefined ? undefined : storage.file(backing.path);
  if (backing !== undefined && under === undefined) {
    const what = `inaccessible backing store volume ${backing.path}: No such file or directory`;
    throw systemError('storage', what);
  }
  const capacityBytes = toSectors(capacity ?? under?.capacityBytes ?? 0);
  const allocation = bytesAt(root, 'allocation', 'bytes') ?? capacityBytes;
  const mode = textAt(root, 'target', 'permissions', 'mode');
  const file = {
    ...newFile(format, capacityBytes, Math.min(allocation, capacityBytes)),
    ...(mode !== undefined && { mode }),
  };
  checkRoom(storage, pool, { name, bytes: file.allocationBytes });
  return storage.addVolume(pool, name, { ...file, ...(backing === undefined ? {} : { backing }) });
}

/** Makes a volume with the content of another, flattened. It is as large as the other, whatever the XML says. */
export function cloneVolume(
  storage: Storage,
  pool: Pool,
  { xml, source }: { readonly xml: string; readonly source: VolumeRef },
): VolumeRef {
  const found = storage.volume(source);
  const { root, name } = readVolume(xml);
  const format = readFormat(root);
  if (pool.volumes.has(name)) throw internalError('storage', `storage volume name '${name}' already in use.`);
  const { file } = storage.volumeFile(source);
  const dataBytes = dataIn(storage, found.path);
  const empty = newFile(format, file.capacityBytes, Math.min(dataBytes, file.capacityBytes));
  const isQcow2 = format === 'qcow2';
  const copy = {
    ...empty,
    allocationBytes: isQcow2 ? empty.allocationBytes + dataBytes : empty.allocationBytes,
    physicalBytes: isQcow2 ? empty.physicalBytes + dataBytes : empty.physicalBytes,
  };
  checkRoom(storage, pool, { name, bytes: copy.allocationBytes });
  return storage.addVolume(pool, name, copy);
}

export function resizeVolume(
  storage: Storage,
  ref: VolumeRef,
  change: { readonly capacityBytes: number; readonly flags: number },
): void {
  const { path, file } = storage.volumeFile(ref);
  const delta = (change.flags & RESIZE.delta) !== 0;
  const wanted = toSectors(delta ? file.capacityBytes + change.capacityBytes : change.capacityBytes);
  if (wanted < file.capacityBytes && (change.flags & RESIZE.shrink) === 0) {
    const what = "Can't shrink capacity below current capacity unless shrink flag explicitly specified";
    throw invalidArgument('storage', `invalid argument: ${what}`);
  }
  const physicalBytes = file.format === 'raw' ? wanted : file.physicalBytes;
  storage.putFile(path, { ...file, capacityBytes: wanted, physicalBytes });
}

/** A volume's XML as libvirt writes it, without owners. */
export function renderVolumeXml(
  { name }: VolumeRef,
  { path, file, changedAt }: { readonly path: string; readonly file: DiskFile; readonly changedAt: string },
): string {
  const backing =
    file.backing === undefined
      ? ''
      : `  <backingStore>
    <path>${escapeXml(file.backing.path)}</path>
    <format type='${file.backing.format}'/>
  </backingStore>
`;
  // Nothing is said of an empty file.
  const physical =
    file.physicalBytes === 0 ? '' : `  <physical unit='bytes'>${file.physicalBytes}</physical>\n`;
  return `<volume type='file'>
  <name>${escapeXml(name)}</name>
  <key>${escapeXml(path)}</key>
  <capacity unit='bytes'>${file.capacityBytes}</capacity>
  <allocation unit='bytes'>${file.allocationBytes}</allocation>
${physical}  <target>
    <path>${escapeXml(path)}</path>
    <format type='${file.format}'/>
    <permissions>
      <mode>${file.mode ?? '0600'}</mode>
    </permissions>
    <timestamps>
      <mtime>${changedAt}</mtime>
    </timestamps>
  </target>
${backing}</volume>
`;
}

/** A file that holds `dataBytes` of a disk, as it is after a copy. */
export function imageFile(capacityBytes: number, dataBytes: number): DiskFile {
  return withData(newFile('qcow2', capacityBytes, 0), dataBytes);
}

/** The same qcow2 file with so much data in it. */
export function withData(file: DiskFile, dataBytes: number): DiskFile {
  return {
    ...file,
    allocationBytes: EMPTY_ALLOCATION + dataBytes,
    physicalBytes: EMPTY_LENGTH + dataBytes,
  };
}

/** Bytes of data in a file itself. */
export function dataOf(file: DiskFile | undefined): number {
  if (file === undefined) return 0;
  return file.format === 'qcow2'
    ? Math.max(0, file.allocationBytes - EMPTY_ALLOCATION)
    : file.allocationBytes;
}

function newFile(format: string, capacityBytes: number, rawAllocation: number): DiskFile {
  if (format === 'qcow2')
    return { format, capacityBytes, allocationBytes: EMPTY_ALLOCATION, physicalBytes: EMPTY_LENGTH };
  return { format, capacityBytes, allocationBytes: rawAllocation, physicalBytes: capacityBytes };
}

/** Bytes of data in a file and in all behind it. */
function dataIn(storage: Storage, path: string): number {
  const file = storage.file(path);
  if (file === undefined) return 0;
  return dataOf(file) + (file.backing === undefined ? 0 : dataIn(storage, file.backing.path));
}

function readVolume(xml: string): { root: Element; name: string } {
  const expected = { root: 'volume', what: 'storage_volume_definition', origin: 'storage' } as const;
  const root = parseRoot(xml, expected);
  const name = textAt(root, 'name');
  if (name === undefined || name === '') throw xmlError('storage', 'missing volume name element');
  if (name.includes('/')) throw wrongState('storage', `volume name '${name}' cannot contain '/'`);
  return { root, name };
}

function readFormat(root: Element): string {
  const format = attribute(elementAt(root, 'target', 'format'), 'type') ?? 'raw';
  if (!FORMATS.includes(format)) throw unsupportedConfig('storage', `unknown volume format type ${format}`);
  return format;
}

function readBacking(root: Element): { path: string; format: string } | undefined {
  const path = textAt(root, 'backingStore', 'path');
  if (path === undefined) return undefined;
  return { path, format: attribute(elementAt(root, 'backingStore', 'format'), 'type') ?? 'raw' };
}

function checkRoom(
  storage: Storage,
  pool: Pool,
  wanted: { readonly name: string; readonly bytes: number },
): void {
  if (wanted.bytes <= storage.diskBytes - storage.allocatedBytes()) return;
  const path = `${pool.path}/${wanted.name}`;
  throw systemError(
    'storage',
    `cannot allocate ${wanted.bytes} bytes in file '${path}': No space left on device`,
  );
}

function toSectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR) * SECTOR;
}
