import { escapeXml } from '../core/xml.ts';
import type { Definition } from './definition.ts';
import type { Storage } from './storage.ts';

const DISK = /^ {4}<disk [^]*?<\/disk>$/gm;
const SOURCE = /^ {6}<source [^>]*file='([^']*)'[^>]*\/>$/m;
const BACKING = /^ {6}<backingStore[^]*^ {6}<\/backingStore>\n/m;

/** The definition with other files behind one of its disks: the one that it writes to, and what the XML says is behind that. */
export function withSources(
  definition: Definition,
  target: string,
  [file, ...behind]: readonly [string, ...string[]],
): Definition {
  return {
    ...definition,
    disks: definition.disks.map((disk) => (disk.target === target ? { ...disk, file } : disk)),
    rest: eachDisk(definition.rest, target, (disk) =>
      disk
        .replace(BACKING, '')
        .replace(
          SOURCE,
          `      <source file='${escapeXml(file)}'/>${behind.length === 0 ? '' : `\n${chainXml(behind, 6)}`}`,
        ),
    ),
  };
}

/** The files that the XML of a disk names, the one that it writes to first. */
export function sourcesOf({ rest }: Definition, target: string): readonly string[] {
  let files: readonly string[] = [];
  eachDisk(rest, target, (disk) => {
    files = [...disk.matchAll(/<source [^>]*file='([^']*)'/g)].flatMap(([, file]) => file ?? []);
    return disk;
  });
  return files;
}

/** The definition as that of a running domain: with all the files behind each disk. */
export function withWholeChains(definition: Definition, storage: Storage): Definition {
  const shown = definition.disks.filter(({ file }) => file !== undefined && storage.chainLength(file) > 1);
  return shown.reduce((after, { target, file = '' }) => {
    const files = chainOf(storage, file);
    return withSources(after, target, [file, ...files.slice(1)]);
  }, definition);
}

/** The files that a disk is made of, the one that it writes to first. */
export function chainOf(storage: Storage, path: string): readonly string[] {
  const backing = storage.file(path)?.backing;
  return backing === undefined ? [path] : [path, ...chainOf(storage, backing.path)];
}

function eachDisk(rest: string, target: string, change: (disk: string) => string): string {
  return rest.replace(DISK, (disk) => (disk.includes(`<target dev='${target}'`) ? change(disk) : disk));
}

function chainXml([file = '', ...behind]: readonly string[], depth: number): string {
  const pad = ' '.repeat(depth);
  return [
    `${pad}<backingStore type='file'>`,
    `${pad}  <format type='qcow2'/>`,
    `${pad}  <source file='${escapeXml(file)}'/>`,
    ...(behind.length === 0 ? [] : [chainXml(behind, depth + 2)]),
    `${pad}</backingStore>`,
  ].join('\n');
}
