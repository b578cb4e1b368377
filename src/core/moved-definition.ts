import { type Element, XMLSerializer } from '@xmldom/xmldom';
import { MARK_NAMESPACE, type Mark } from './mark.ts';
import { markForDefinition } from './mark-xml.ts';
import { REQUEST_NAMESPACE } from './snapshot.ts';
import { attribute, elementAt, elementsAt, escapeXml, parseXml } from './xml.ts';

interface Place {
  /** The path there of each file here. */
  readonly files: ReadonlyMap<string, string>;
  readonly mark: Mark;
}

/**
 * A definition for another host: the same VM with its files where they are there, and our new mark. Its emulator is left
 * out, as each host has its own. `problem`: it has a disk that does not come along.
 */
export function movedDefinition(
  xml: string,
  { files, mark }: Place,
): { readonly xml: string } | { readonly problem: string } {
  const domain = parseXml(xml);
  for (const disk of elementsAt(domain, 'devices', 'disk')) {
    const source = elementAt(disk, 'source');
    const file = attribute(source, 'file');
    const target = attribute(elementAt(disk, 'target'), 'dev') ?? 'a disk';
    if (source === undefined || source.attributes.length === 0) continue;
    const moved = file === undefined ? undefined : files.get(file);
    if (moved === undefined) return { problem: `${target} (${file ?? 'no file'}) does not come along` };
    source.setAttribute('file', moved);
    // What lies under a file is read from the file itself.
    for (const backing of elementsAt(disk, 'backingStore')) disk.removeChild(backing);
  }
  for (const emulator of elementsAt(domain, 'devices', 'emulator'))
    emulator.parentNode?.removeChild(emulator);
  putMark(domain, mark);
  return { xml: new XMLSerializer().serializeToString(domain) };
}

function putMark(domain: Element, mark: Mark): void {
  for (const metadata of elementsAt(domain, 'metadata'))
    for (const element of Array.from(metadata.childNodes))
      if (element.namespaceURI === MARK_NAMESPACE || element.namespaceURI === REQUEST_NAMESPACE)
        metadata.removeChild(element);
  const document = domain.ownerDocument;
  const metadata =
    elementAt(domain, 'metadata') ?? (document && domain.appendChild(document.createElement('metadata')));
  const element = document?.importNode(parseXml(markForDefinition(mark)), true);
  if (element !== undefined) metadata?.appendChild(element);
}

/** What holds the place of a VM on the host that it moves to: without disks and cards, so that it cannot run. */
export function renderClaim(
  { name, arch, type }: { readonly name: string; readonly arch: string; readonly type: string },
  mark: Mark,
): string {
  return `<domain type='${escapeXml(type)}'>
  <name>${escapeXml(name)}</name>
  <uuid>${mark.uuid}</uuid>
  <metadata>${markForDefinition(mark)}</metadata>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='${escapeXml(arch)}'>hvm</type></os>
</domain>`;
}
