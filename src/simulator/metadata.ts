import type { Element } from '@xmldom/xmldom';
import { escapeXml } from '../core/xml.ts';
import { CODES, internalError, invalidArgument, LibvirtFailure } from './failure.ts';
import { childElements, parseText, renderElement } from './xml-document.ts';

/** One child of a domain's `<metadata>`. */
export interface MetadataElement {
  readonly uri: string;
  /** As it stands in the domain's XML. */
  readonly xml: string;
}

export type Metadata = readonly MetadataElement[];

/** Depth of the children of `<metadata>` in a domain's XML. */
const DEPTH = 2;

/** Reads `<metadata>`. */
export function readMetadata(metadata: Element): Metadata {
  return childElements(metadata).map((element) => ({
    uri: element.namespaceURI ?? '',
    xml: renderElement(element, { quote: '"', depth: DEPTH }),
  }));
}

/** The element of that namespace without prefix and namespace, as libvirt hands it out. */
export function bareElement(metadata: Metadata, uri: string): string {
  const found = metadata.find((element) => element.uri === uri);
  if (found === undefined) throw noMetadata();
  const element = parseText(found.xml, 'metadata_xml', 'domain');
  return renderElement(element, { quote: '"', depth: 0, bare: true });
}

export function noMetadata(): LibvirtFailure {
  return new LibvirtFailure(
    CODES.NO_DOMAIN_METADATA,
    'domain',
    'metadata not found: Requested metadata element is not present',
  );
}

/** Takes the element of that namespace out, and puts the new one, if any, at the end. */
export function replaceElement(
  metadata: Metadata,
  change: { readonly uri: string; readonly key: string | undefined; readonly xml: string | undefined },
): Metadata {
  const others = metadata.filter((element) => element.uri !== change.uri);
  if (change.xml === undefined) return others;
  if (change.key === undefined)
    throw invalidArgument('domain', 'key in virDomainSetMetadata must not be NULL');
  return [...others, { uri: change.uri, xml: withNamespace(change.xml, change.key, change.uri) }];
}

/** Gives prefix and namespace to the element and to all in it that have none of their own. */
function withNamespace(xml: string, key: string, uri: string): string {
  const root = parseText(xml, 'metadata_xml', 'domain');
  if (root.hasAttribute(`xmlns:${key}`)) throw internalError('xml', 'failed to create a new XML namespace');
  const text = renderElement(root, { quote: '"', depth: DEPTH, prefix: key });
  return text.replace(/^<[^\s/>]+/, (head) => `${head} xmlns:${key}="${escapeXml(uri)}"`);
}
