import type { Element, Node } from '@xmldom/xmldom';
import { attribute, elementAt, parseXml } from '../core/xml.ts';
import { errorMessage } from '../errors.ts';
import { CODES, invalidArgument, LibvirtFailure, type Origin, xmlError } from './failure.ts';

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  byte: 1,
  bytes: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  k: 1024,
  K: 1024,
  KiB: 1024,
  M: 1024 ** 2,
  MiB: 1024 ** 2,
  G: 1024 ** 3,
  GiB: 1024 ** 3,
  T: 1024 ** 4,
  TiB: 1024 ** 4,
};

/** The root of an XML text; fails as libvirt does where it is not well-formed. `what` is libvirt's name for the text. */
export function parseText(text: string, what: string, origin: Origin): Element {
  try {
    return parseXml(text);
  } catch (error) {
    const reason = text.trim() === '' ? 'Document is empty' : errorMessage(error);
    throw new LibvirtFailure(CODES.XML_DETAIL, origin, `(${what}):1: ${reason}`);
  }
}

/** As parseText, and the root has to have that name. */
export function parseRoot(
  text: string,
  expected: { readonly root: string; readonly what: string; readonly origin: Origin },
): Element {
  const root = parseText(text, expected.what, expected.origin);
  if (root.localName === expected.root) return root;
  throw xmlError('xml', `expecting root element of '${expected.root}', not '${root.nodeName}'`);
}

/** The bytes of a child element with libvirt's units; undefined where there is none. */
export function bytesAt(parent: Element, name: string, defaultUnit: 'KiB' | 'bytes'): number | undefined {
  const element = elementAt(parent, name);
  if (element === undefined) return undefined;
  const text = (element.textContent ?? '').trim();
  if (!/^\d+$/.test(text))
    throw xmlError('xml', `Invalid value '${text}' for element or attribute './${name}[1]'`);
  const unit = attribute(element, 'unit') ?? defaultUnit;
  const factor = UNITS[unit];
  if (factor === undefined) throw invalidArgument('none', `invalid argument: unknown suffix '${unit}'`);
  return Number(text) * factor;
}

/** The child elements, in order. */
export function childElements(parent: Element): Element[] {
  return [...parent.childNodes].filter(isElement);
}

function isElement(node: Node): node is Element {
  return node.nodeType === node.ELEMENT_NODE;
}

export interface RenderStyle {
  readonly quote: "'" | '"';
  /** How deep the element stands: two spaces each. */
  readonly depth: number;
  /** Leaves prefixes and namespace declarations out. */
  readonly bare?: boolean;
  /** Goes before the name of each element that is in no namespace. */
  readonly prefix?: string;
}

/** An element as text in libvirt's layout. Text between elements is kept as it is. */
export function renderElement(element: Element, style: RenderStyle): string {
  const name = renderName(element, style);
  const head = `<${name}${renderAttributes(element, style)}`;
  const nodes = [...element.childNodes];
  const inner = nodes.filter(isElement);
  if (nodes.every((node) => (node.textContent ?? '').trim() === '') && inner.length === 0) return `${head}/>`;
  const mixed = nodes.some((node) => !isElement(node) && (node.textContent ?? '').trim() !== '');
  if (mixed) return `${head}>${nodes.map((node) => renderInline(node, style)).join('')}</${name}>`;
  const pad = '  '.repeat(style.depth + 1);
  const lines = inner.map((child) => `${pad}${renderElement(child, { ...style, depth: style.depth + 1 })}`);
  return `${head}>\n${lines.join('\n')}\n${'  '.repeat(style.depth)}</${name}>`;
}

function renderName(element: Element, { bare = false, prefix }: RenderStyle): string {
  if (bare) return element.localName ?? element.nodeName;
  return prefix === undefined || element.namespaceURI !== null
    ? element.nodeName
    : `${prefix}:${element.nodeName}`;
}

function renderInline(node: Node, style: RenderStyle): string {
  return isElement(node) ? renderElement(node, style) : escapeText(node.textContent ?? '');
}

function renderAttributes(element: Element, { quote, bare = false }: RenderStyle): string {
  const attributes = [...element.attributes];
  // libvirt's XML library writes namespaces first.
  const namespaces = attributes.filter(({ name }) => name === 'xmlns' || name.startsWith('xmlns:'));
  const others = attributes.filter((candidate) => !namespaces.includes(candidate));
  return [...(bare ? [] : namespaces), ...others]
    .map(({ name, value }) => ` ${name}=${quote}${escapeAttribute(value, quote)}${quote}`)
    .join('');
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function escapeAttribute(text: string, quote: "'" | '"'): string {
  const escaped = escapeText(text)
    .replaceAll('\n', '&#10;')
    .replaceAll('\t', '&#9;')
    .replaceAll('\r', '&#13;');
  return quote === '"' ? escaped.replaceAll('"', '&quot;') : escaped.replaceAll("'", '&apos;');
}
