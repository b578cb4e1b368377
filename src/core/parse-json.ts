import {
  type ArrayNode,
  type MemberNode,
  type ObjectNode,
  parse,
  type ValueNode,
} from '@humanwhocodes/momoa';
import { errorMessage } from '../errors.ts';
import { findJsonMistake } from './json-mistake.ts';
import { jsonTokens } from './json-tokens.ts';
import {
  addEntry,
  type Located,
  type LocatedEntry,
  MAX_DEPTH,
  type Mistake,
  type Parsed,
  type Place,
  placeIn,
  tooDeep,
} from './located.ts';

/** Parses JSON. `JSON.parse` decides what is JSON; the rest says where things are, and what is wrong if it is none. */
export function parseJson(text: string): Parsed {
  try {
    JSON.parse(text);
  } catch (error) {
    const { offset, message, hint } = findJsonMistake(text) ?? { offset: 0, message: errorMessage(error) };
    return { mistakes: [{ place: placeIn(text, offset), message, ...(hint === undefined ? {} : { hint }) }] };
  }
  const deepest = firstTooDeep(text);
  if (deepest !== undefined) return { mistakes: [tooDeep(placeIn(text, deepest))] };
  const mistakes: Mistake[] = [];
  return { root: convert(parse(text).body, mistakes), mistakes };
}

/** Looked for before parsing, which is recursive. */
function firstTooDeep(text: string): number | undefined {
  let depth = 0;
  for (const token of jsonTokens(text)) {
    if (token.text === '{' || token.text === '[') depth++;
    if (token.text === '}' || token.text === ']') depth--;
    if (depth > MAX_DEPTH) return token.offset;
  }
  return undefined;
}

function convert(node: ValueNode, mistakes: Mistake[]): Located {
  const place = placeOfNode(node);
  switch (node.type) {
    case 'Object':
      return { kind: 'map', place, entries: convertMembers(node, mistakes) };
    case 'Array':
      return { kind: 'list', place, items: convertItems(node, mistakes) };
    case 'Null':
      return { kind: 'scalar', place, value: null };
    case 'String':
    case 'Number':
    case 'Boolean':
      return { kind: 'scalar', place, value: node.value };
    case 'NaN':
    case 'Infinity':
      break;
  }
  throw new Error(`JSON.parse let ${node.type} pass`);
}

function convertItems(node: ArrayNode, mistakes: Mistake[]): Located[] {
  return node.elements.map(({ value }) => convert(value, mistakes));
}

function convertMembers(node: ObjectNode, mistakes: Mistake[]): Map<string, LocatedEntry> {
  const entries = new Map<string, LocatedEntry>();
  for (const { name, value } of node.members) {
    const entry = { keyPlace: placeOfNode(name), value: convert(value, mistakes) };
    mistakes.push(...addEntry(entries, keyOf(name), entry));
  }
  return entries;
}

function keyOf(name: MemberNode['name']): string {
  return name.type === 'String' ? name.value : name.name;
}

function placeOfNode(node: ValueNode | MemberNode['name']): Place {
  return { line: node.loc.start.line, column: node.loc.start.column };
}
