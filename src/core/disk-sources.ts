import { type Element, XMLSerializer } from '@xmldom/xmldom';
import { attribute, elementAt, elementsAt, escapeXml, parseXml } from './xml.ts';

/** A disk of a domain, with the files that it is made of as far as the XML names them, the one that it writes to first. */
export interface DiskSources {
  readonly target: string;
  readonly files: readonly string[];
  /** A CD-ROM, read only, or shared with other VMs: no snapshot has it. */
  readonly fixed: boolean;
}

/** The disks in a domain's XML, drives included. */
export function readDiskSources(xml: string): readonly DiskSources[] {
  return elementsAt(parseXml(xml), 'devices', 'disk').map((disk) => ({
    target: targetOf(disk),
    files: filesOf(disk),
    fixed:
      (attribute(disk, 'device') ?? 'disk') !== 'disk' ||
      elementAt(disk, 'readonly') !== undefined ||
      elementAt(disk, 'shareable') !== undefined,
  }));
}

/**
 * The domain's XML with other files for some disks, by target. What libvirt noted of the old chain goes: it would
 * believe that more than the files themselves.
 */
export function withDiskFiles(xml: string, files: ReadonlyMap<string, string>): string {
  const domain = parseXml(xml);
  for (const disk of elementsAt(domain, 'devices', 'disk')) {
    const file = files.get(targetOf(disk));
    const source = elementAt(disk, 'source');
    if (file === undefined || source === undefined) continue;
    source.setAttribute('file', file);
    for (const backing of elementsAt(disk, 'backingStore')) disk.removeChild(backing);
  }
  return new XMLSerializer().serializeToString(domain);
}

/** What libvirt is told to take a snapshot: the disks that go on in other files, which are there; of the others, none. */
export function snapshotXml(targets: readonly string[], files: ReadonlyMap<string, string>): string {
  const disks = targets.map((target) => {
    const file = files.get(target);
    // A disk that is not named would get a file of libvirt's own.
    return file === undefined
      ? `<disk name='${escapeXml(target)}' snapshot='no'/>`
      : `<disk name='${escapeXml(target)}' snapshot='external' type='file'><driver type='qcow2'/><source file='${escapeXml(file)}'/></disk>`;
  });
  return `<domainsnapshot><disks>${disks.join('')}</disks></domainsnapshot>`;
}

function targetOf(disk: Element): string {
  return attribute(elementAt(disk, 'target'), 'dev') ?? '';
}

function filesOf(element: Element): readonly string[] {
  const file = attribute(elementAt(element, 'source'), 'file');
  if (file === undefined) return [];
  const backing = elementAt(element, 'backingStore');
  return [file, ...(backing === undefined ? [] : filesOf(backing))];
}
