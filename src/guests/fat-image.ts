/** A file in the root folder of a volume. */
export interface VolumeFile {
  readonly name: string;
  readonly content: Buffer;
}

export interface VolumeOptions {
  /** Upper case, 11 characters at most. */
  readonly label: string;
  /** The volume's serial number, 32 bits. */
  readonly serial: number;
  readonly sizeBytes: number;
}

const SECTOR = 512;
const SECTORS_PER_CLUSTER = 2;
const CLUSTER = SECTOR * SECTORS_PER_CLUSTER;
const FATS = 2;
const ENTRY = 32;
const ROOT_ENTRIES = 64;
const ROOT_SECTORS = (ROOT_ENTRIES * ENTRY) / SECTOR;
/** From so many clusters on, a driver takes the volume for FAT16. */
const FAT12_CLUSTERS = 4085;
const MEDIA_FIXED_DISK = 0xf8;
const ATTRIBUTES = { readOnly: 0x01, label: 0x08, longName: 0x0f } as const;
/** 1980-01-01, the first day that FAT knows: the same files give the same bytes. */
const FIRST_DAY = 0x0021;
/** Characters of a long name in one entry, by their offsets. */
const NAME_OFFSETS = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

interface Layout {
  readonly sectors: number;
  readonly fatSectors: number;
  readonly clusters: number;
}

/** A FAT12 volume with files in its root folder, without a partition table. The same input gives the same bytes. */
export function fatImage(files: readonly VolumeFile[], options: VolumeOptions): Buffer {
  const layout = layOut(options.sizeBytes);
  const image = Buffer.alloc(options.sizeBytes);
  writeBootSector(image, layout, options);
  const fat = image.subarray(SECTOR, SECTOR * (1 + layout.fatSectors));
  setLink(fat, 0, 0xf00 | MEDIA_FIXED_DISK);
  setLink(fat, 1, 0xfff);
  const root = SECTOR * (1 + FATS * layout.fatSectors);
  const data = root + SECTOR * ROOT_SECTORS;
  const entries = [labelEntry(options.label)];
  let next = 2;
  for (const [index, file] of files.entries()) {
    const count = Math.ceil(file.content.length / CLUSTER);
    if (next + count > layout.clusters + 2) throw new RangeError(`${file.name} does not fit into the volume`);
    for (let at = next; at < next + count; at++) setLink(fat, at, at + 1 < next + count ? at + 1 : 0xfff);
    file.content.copy(image, data + (next - 2) * CLUSTER);
    entries.push(...fileEntries(file, { firstCluster: count === 0 ? 0 : next, number: index + 1 }));
    next += count;
  }
  if (entries.length > ROOT_ENTRIES) throw new RangeError('too many files for the root folder');
  Buffer.concat(entries).copy(image, root);
  fat.copy(image, SECTOR * (1 + layout.fatSectors));
  return image;
}

function layOut(sizeBytes: number): Layout {
  const sectors = sizeBytes / SECTOR;
  const fatSectors = Math.ceil((Math.ceil(sectors / SECTORS_PER_CLUSTER) * 1.5 + 3) / SECTOR);
  const clusters = Math.floor((sectors - 1 - FATS * fatSectors - ROOT_SECTORS) / SECTORS_PER_CLUSTER);
  if (!Number.isInteger(sectors) || sectors > 0xffff || clusters < 1 || clusters >= FAT12_CLUSTERS) {
    throw new RangeError(`no FAT12 volume of ${sizeBytes} bytes`);
  }
  return { sectors, fatSectors, clusters };
}

function writeBootSector(
  image: Buffer,
  { sectors, fatSectors }: Layout,
  { label, serial }: VolumeOptions,
): void {
  image.set([0xeb, 0x3c, 0x90], 0);
  image.write('MSDOS5.0', 3, 'latin1');
  image.writeUInt16LE(SECTOR, 11);
  image.writeUInt8(SECTORS_PER_CLUSTER, 13);
  image.writeUInt16LE(1, 14);
  image.writeUInt8(FATS, 16);
  image.writeUInt16LE(ROOT_ENTRIES, 17);
  image.writeUInt16LE(sectors, 19);
  image.writeUInt8(MEDIA_FIXED_DISK, 21);
  image.writeUInt16LE(fatSectors, 22);
  image.writeUInt16LE(32, 24);
  image.writeUInt16LE(2, 26);
  image.writeUInt8(0x80, 36);
  image.writeUInt8(0x29, 38);
  image.writeUInt32LE(serial, 39);
  image.write(label.padEnd(11), 43, 'latin1');
  image.write('FAT12   ', 54, 'latin1');
  image.set([0x55, 0xaa], 510);
}

/** Sets a 12-bit link of the table; two of them share three bytes. */
function setLink(fat: Buffer, cluster: number, link: number): void {
  const at = Math.floor(cluster * 1.5);
  const both = fat.readUInt16LE(at);
  fat.writeUInt16LE(cluster % 2 === 0 ? (both & 0xf000) | link : (both & 0x000f) | (link << 4), at);
}

function labelEntry(label: string): Buffer {
  const entry = Buffer.alloc(ENTRY);
  entry.write(label.padEnd(11), 0, 'latin1');
  entry.writeUInt8(ATTRIBUTES.label, 11);
  entry.writeUInt16LE(FIRST_DAY, 24);
  return entry;
}

/** The entries of a file: its long name from the end to the start, then the short one that old drivers see. */
function fileEntries(
  { name, content }: VolumeFile,
  { firstCluster, number }: { readonly firstCluster: number; readonly number: number },
): Buffer[] {
  const entry = Buffer.alloc(ENTRY);
  entry.write(`SEED~${number}`.padEnd(11), 0, 'latin1');
  entry.writeUInt8(ATTRIBUTES.readOnly, 11);
  entry.writeUInt16LE(FIRST_DAY, 16);
  entry.writeUInt16LE(FIRST_DAY, 18);
  entry.writeUInt16LE(FIRST_DAY, 24);
  entry.writeUInt16LE(firstCluster, 26);
  entry.writeUInt32LE(content.length, 28);
  return [...longNameEntries(name, checksum(entry.subarray(0, 11))), entry];
}

function longNameEntries(name: string, shortChecksum: number): Buffer[] {
  const count = Math.ceil(name.length / NAME_OFFSETS.length);
  const entries = Array.from({ length: count }, (_, index) => {
    const entry = Buffer.alloc(ENTRY);
    entry.writeUInt8((index + 1) | (index + 1 === count ? 0x40 : 0), 0);
    entry.writeUInt8(ATTRIBUTES.longName, 11);
    entry.writeUInt8(shortChecksum, 13);
    for (const [offset, at] of NAME_OFFSETS.entries()) {
      const place = index * NAME_OFFSETS.length + offset;
      // The name ends with 0, unless it fills its entry; what is left over is 0xffff.
      const unit = place < name.length ? name.charCodeAt(place) : place === name.length ? 0 : 0xffff;
      entry.writeUInt16LE(unit, at);
    }
    return entry;
  });
  return entries.toReversed();
}

function checksum(shortName: Buffer): number {
  return shortName.reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff, 0);
}
