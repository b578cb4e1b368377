import { isAlias, isMap, isNode, isScalar, isSeq, type ParsedNode, type Scalar, type YAMLMap } from 'yaml';
import {
  addEntry,
  type Located,
  type LocatedEntry,
  MAX_DEPTH,
  type Mistake,
  type Parsed,
  type Place,
  tooDeep,
} from './located.ts';

/** Aliases may add this many values to a file: enough for shared settings, far too few for a bomb. */
const MAX_ALIASED = 10_000;

/** A converted node with what it takes to repeat it by an alias. */
interface Converted {
  readonly located: Located;
  /** Values in it, aliases followed. */
  readonly size: number;
  /** Levels of nesting, aliases followed. */
  readonly height: number;
}

interface Conversion {
  readonly placeAt: (offset: number) => Place;
  readonly mistakes: Mistake[];
  /** A node that contains itself is not in here until it is done, so no alias can make a circle. */
  readonly anchors: Map<string, Converted>;
  aliased: number;
}

/** Stops a conversion: what follows would make no sense. */
class Unreadable extends Error {
  readonly mistake: Mistake;

  constructor(mistake: Mistake) {
    super(mistake.message);
    this.mistake = mistake;
  }
}

/** Turns a parsed document into our tree: aliases followed within limits, each key once, texts as keys. */
export function locateYaml(contents: ParsedNode | null, placeAt: (offset: number) => Place): Parsed {
  const conversion: Conversion = { placeAt, mistakes: [], anchors: new Map(), aliased: 0 };
  try {
    const { located } = convert(contents, 1, { line: 1, column: 1 }, conversion);
    return { root: located, mistakes: conversion.mistakes };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { mistakes: [...conversion.mistakes, error.mistake] };
  }
}

function convert(node: unknown, depth: number, around: Place, conversion: Conversion): Converted {
  const place = placeOfNode(node, around, conversion);
  if (isAlias(node)) return follow(node.source, depth, place, conversion);
  let converted: Converted;
  if (isMap(node)) converted = convertMap(node, deeper(depth, place), place, conversion);
  else if (isSeq(node)) {
    const inside = deeper(depth, place);
    const items = node.items.map((item) => convert(item, inside, place, conversion));
    converted = collect({ kind: 'list', place, items: items.map(({ located }) => located) }, items);
  } else {
    converted = {
      located: { kind: 'scalar', place, value: isScalar(node) ? plainValue(node, place) : null },
      size: 1,
      height: 0,
    };
  }
  const anchor = anchorOf(node);
  if (anchor !== undefined) conversion.anchors.set(anchor, converted);
  return converted;
}

function convertMap(node: YAMLMap, depth: number, place: Place, conversion: Conversion): Converted {
  const entries = new Map<string, LocatedEntry>();
  const values: Converted[] = [];
  for (const pair of node.items) {
    const keyPlace = placeOfNode(pair.key, place, conversion);
    if (!isScalar(pair.key)) {
      throw new Unreadable({ place: keyPlace, message: 'a key must be a plain text' });
    }
    const value = convert(pair.value, depth, keyPlace, conversion);
    values.push(value);
    const key = pair.key.source ?? String(pair.key.value);
    conversion.mistakes.push(...addEntry(entries, key, { keyPlace, value: value.located }));
  }
  return collect({ kind: 'map', place, entries }, values);
}

function follow(anchor: string, depth: number, place: Place, conversion: Conversion): Converted {
  const target = conversion.anchors.get(anchor);
  if (target === undefined) {
    throw new Unreadable({ place, message: 'this alias ("*...") points to no anchor ("&...") before it' });
  }
  conversion.aliased += target.size;
  if (conversion.aliased > MAX_ALIASED) {
    throw new Unreadable({ place, message: `aliases stand for more than ${MAX_ALIASED} values` });
  }
  if (depth + target.height > MAX_DEPTH + 1) throw new Unreadable(tooDeep(place));
  return { ...target, located: { ...target.located, place } };
}

function deeper(depth: number, place: Place): number {
  if (depth > MAX_DEPTH) throw new Unreadable(tooDeep(place));
  return depth + 1;
}

function collect(located: Located, parts: readonly Converted[]): Converted {
  return {
    located,
    size: parts.reduce((sum, { size }) => sum + size, 1),
    height: parts.reduce((most, { height }) => Math.max(most, height), 0) + 1,
  };
}

function plainValue(node: Scalar, place: Place): string | number | boolean | null {
  const { value } = node;
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value;
  throw new Unreadable({ place, message: 'this is no text, number, true, false or null' });
}

function placeOfNode(node: unknown, around: Place, { placeAt }: Conversion): Place {
  const range = isNode(node) ? node.range : undefined;
  return range ? placeAt(range[0]) : around;
}

function anchorOf(node: unknown): string | undefined {
  return isScalar(node) || isMap(node) || isSeq(node) ? node.anchor : undefined;
}
