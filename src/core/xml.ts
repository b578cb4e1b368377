import { DOMParser, type Element, type Node } from '@xmldom/xmldom';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&apos;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/**
 * Escapes text for XML content and for attribute values in either quotes, so that a parser gives it back. Characters
 * that XML cannot hold become U+FFFD.
 */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replace(/[&<>'"\t\n\r]/g, (character) => ESCAPES[character] ?? character);
}

/** The root element of a document. Throws where the text is not well-formed. */
export function parseXml(text: string): Element {
  const root = new DOMParser({ onError: rejectAll }).parseFromString(text, 'text/xml').documentElement;
  if (root === null) throw new Error('the XML has no root element');
  return root;
}

function rejectAll(level: string, message: string): void {
  if (level !== 'warning') throw new Error(`the XML is not well-formed: ${message}`);
}

/** The child elements with that local name; at each step of `path` all that match. */
export function elementsAt(parent: Element, ...path: readonly string[]): Element[] {
  return path.reduce<Element[]>(
    (parents, name) =>
      parents.flatMap((element) => children(element).filter((child) => child.localName === name)),
    [parent],
  );
}

/** The first element at `path`. */
export function elementAt(parent: Element, ...path: readonly string[]): Element | undefined {
  return elementsAt(parent, ...path)[0];
}

/** The text of the first element at `path`, trimmed. */
export function textAt(parent: Element, ...path: readonly string[]): string | undefined {
  return elementAt(parent, ...path)?.textContent?.trim();
}

/** An attribute's value; undefined where it is absent or empty. */
export function attribute(element: Element | undefined, name: string): string | undefined {
  return element?.getAttribute(name) || undefined;
}

function children(element: Element): Element[] {
  const found: Element[] = [];
  for (let node: Node | null = element.firstChild; node !== null; node = node.nextSibling) {
    if (isElement(node)) found.push(node);
  }
  return found;
}

function isElement(node: Node): node is Element {
  return node.nodeType === node.ELEMENT_NODE;
}
