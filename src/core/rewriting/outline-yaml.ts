import {
  type CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  parseDocument,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import type { GroupOutline, HostOutline, ManifestOutline, Style, VmsOutline } from './manifest-outline.ts';
import type { Span } from './text-edits.ts';

type SourceToken = CST.SourceToken;

/** Where the parts of a YAML manifest stand. */
export function outlineYaml(text: string): ManifestOutline | undefined {
  const document = parseDocument(text, { keepSourceTokens: true, resolveKnownTags: false });
  const { contents } = document;
  if (!isSeq(contents)) return undefined;
  const spans = itemSpans(contents);
  const groups = contents.items.map((item, index) => groupOf(item, spans[index], document));
  const found = groups.filter((group) => group !== undefined);
  if (found.length < groups.length) return undefined;
  return { ...spanOf(contents), style: styleOf(contents), groups: found };
}

function groupOf(node: unknown, span: Span | undefined, document: Document): GroupOutline | undefined {
  if (!isMap(node) || span === undefined) return undefined;
  const host = pairOf(node, 'host');
  const vms = pairOf(node, 'vmspecs');
  const name = host && hostOf(host, document);
  const list = vms && vmsOf(vms, node, document);
  if (name === undefined || list === undefined) return undefined;
  return { ...span, style: styleOf(node), host: name, keys: bodyStart(node), vms: list };
}

/** Whichever of the two it is, what stands there may be replaced by a plain name. */
function hostOf({ value }: Pair, document: Document): HostOutline | undefined {
  const scalar = isAlias(value) ? value.resolve(document) : value;
  if (!isScalar(scalar) || !(isAlias(value) || isScalar(value))) return undefined;
  return { ...spanOf(value), name: String(scalar.value), isAnchor: value.anchor !== undefined };
}

function vmsOf(pair: Pair, group: YAMLMap, document: Document): VmsOutline | undefined {
  const { value } = pair;
  if (!isSeq(value)) return undefined;
  const spans = itemSpans(value);
  const items = value.items.flatMap((item, index) => {
    const span = spans[index];
    return span === undefined ? [] : [{ ...span, name: nameOf(item, document) }];
  });
  return { ...spanOf(value), style: styleOf(value), keyEnd: keyEnd(group, pair), items };
}

function nameOf(item: unknown, document: Document): string {
  const node = isAlias(item) ? item.resolve(document) : item;
  const name = isMap(node) ? node.get('name') : undefined;
  return String(isAlias(name) ? name.resolve(document) : name);
}

function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && pair.key.value === key);
}

/** Each from its dash, or from its anchor or tag within brackets, to the end of what it holds. */
function itemSpans(list: YAMLSeq): (Span | undefined)[] {
  const token = list.srcToken;
  return list.items.map((item, index) => {
    const range = isNode(item) ? item.range : undefined;
    if (!range || (token?.type !== 'block-seq' && token?.type !== 'flow-collection')) return undefined;
    const start = token.items[index]?.start ?? [];
    const first = start.find(({ type }) => ['seq-item-ind', 'anchor', 'tag'].includes(type));
    return { start: first?.offset ?? range[0], end: range[1] };
  });
}

/** After the colon, and after an anchor or a tag of the value. */
function keyEnd({ items, srcToken }: YAMLMap, pair: Pair): number {
  const tokens = srcToken?.type === 'block-map' || srcToken?.type === 'flow-collection' ? srcToken.items : [];
  const separators: readonly SourceToken[] = tokens[items.indexOf(pair)]?.sep ?? [];
  const last = separators.findLast(({ type }) => ['map-value-ind', 'anchor', 'tag'].includes(type));
  return last === undefined ? 0 : last.offset + last.source.length;
}

function bodyStart(node: YAMLMap): number {
  const first = node.items[0]?.key;
  const key = isScalar(first) ? first.range?.[0] : undefined;
  const { start } = spanOf(node);
  return styleOf(node) === 'flow' ? start : (key ?? start);
}

function styleOf(node: YAMLMap | YAMLSeq): Style {
  return node.srcToken?.type === 'flow-collection' ? 'flow' : 'block';
}

function spanOf({ range }: Node): Span {
  return { start: range?.[0] ?? 0, end: range?.[1] ?? 0 };
}
