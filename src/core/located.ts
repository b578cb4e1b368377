/** A position in a text, both 1-based. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a text, before anything is known of its meaning. */
export interface Mistake {
  readonly place: Place;
  readonly message: string;
  readonly hint?: string;
}

/** A parsed value that remembers where each part of it stands: what JSON and YAML have in common. */
export type Located = LocatedScalar | LocatedList | LocatedMap;

interface LocatedScalar {
  readonly kind: 'scalar';
  readonly place: Place;
  readonly value: string | number | boolean | null;
}

interface LocatedList {
  readonly kind: 'list';
  readonly place: Place;
  readonly items: readonly Located[];
}

interface LocatedMap {
  readonly kind: 'map';
  readonly place: Place;
  readonly entries: ReadonlyMap<string, LocatedEntry>;
}

export interface LocatedEntry {
  readonly keyPlace: Place;
  readonly value: Located;
}

/** `root` is absent where the text makes no sense; mistakes beside a root leave enough to go on checking. */
export interface Parsed {
  readonly root?: Located;
  readonly mistakes: readonly Mistake[];
}

/** Deeper nesting is refused: nothing that we read needs half of it. */
export const MAX_DEPTH = 16;

/** The mistake of nesting too deeply. */
export function tooDeep(place: Place): Mistake {
  return { place, message: `nested more than ${MAX_DEPTH} levels deep` };
}

/** Puts an entry into a map that is being made; a second one of the same key is a mistake, and the first stays. */
export function addEntry(entries: Map<string, LocatedEntry>, key: string, entry: LocatedEntry): Mistake[] {
  if (key === '__proto__') return [{ place: entry.keyPlace, message: 'the key "__proto__" is not allowed' }];
  const first = entries.get(key);
  if (first !== undefined) {
    const message = `the key ${printable(JSON.stringify(key))} stands here a second time; the first is on line ${first.keyPlace.line}`;
    return [{ place: entry.keyPlace, message }];
  }
  entries.set(key, entry);
  return [];
}

/** The place of an offset into a text. */
export function placeIn(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

/** The plain value, for a schema to look at. */
export function toValue(node: Located): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toValue);
  return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, toValue(value)]));
}

/** The part at `path`; undefined where there is none. */
export function nodeAt(node: Located, path: readonly PropertyKey[]): Located | undefined {
  let found: Located | undefined = node;
  for (const step of path) found = found && childOf(found, step);
  return found;
}

/** Where the value at `path` stands; where there is none, the nearest part around it that is there. */
export function placeOf(node: Located, path: readonly PropertyKey[]): Place {
  let nearest = node;
  for (const step of path) {
    const child = childOf(nearest, step);
    if (child === undefined) break;
    nearest = child;
  }
  return nearest.place;
}

/** Where the key at the end of `path` stands. */
export function keyPlaceOf(node: Located, path: readonly PropertyKey[]): Place {
  const holder = nodeAt(node, path.slice(0, -1));
  const key = path.at(-1);
  const entry = holder?.kind === 'map' && typeof key === 'string' ? holder.entries.get(key) : undefined;
  return entry?.keyPlace ?? placeOf(node, path);
}

function childOf(node: Located, step: PropertyKey): Located | undefined {
  if (node.kind === 'map') return node.entries.get(String(step))?.value;
  if (node.kind === 'list') return node.items[Number(step)];
  return undefined;
}

/** Makes text from a manifest safe to print: no control characters, nothing that reorders a line. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
