import { entryLines } from './entry-lines.ts';
import {
  deletion,
  type Edit,
  eolOf,
  indentAt,
  insertion,
  lineStart,
  nextLine,
  type Span,
} from './text-edits.ts';

/** A list in brackets, by offsets. */
export interface BracketList extends Span {
  readonly items: readonly Span[];
}

/** An item, and how it stood in its list. */
export interface BracketItem {
  readonly text: string;
  /** What its line began with, and the part of it that is more than its list's. */
  readonly indent: string;
  readonly unit: string;
  readonly hasOwnLines: boolean;
}

/** The item of a list, to be put into another. */
export function itemOf(text: string, list: Span, item: Span): BracketItem {
  const indent = indentAt(text, item.start);
  return {
    text: text.slice(item.start, item.end),
    indent,
    unit: indent.slice(indentAt(text, list.start).length),
    hasOwnLines: hasOwnLines(text, item),
  };
}

/** Takes an item out, and a comma with it. Undefined where a comment stands between items of one line. */
export function takeOut(text: string, list: BracketList, index: number): readonly Edit[] | undefined {
  const item = list.items[index];
  if (item === undefined) return undefined;
  const [before, after] = [list.items[index - 1], list.items[index + 1]];
  if (before === undefined && after === undefined) return takeOutOnly(text, list, item);
  const comma = commaAfter(text, item.end);
  if (hasOwnLines(text, item) && (comma !== undefined || after === undefined)) {
    const lines = deletion(entryLines(text, { start: item.start, end: (comma ?? item.end) + 1 }));
    // A list that has no comma at its end is to have none.
    const isLast = before !== undefined && after === undefined && comma === undefined;
    const last = isLast ? commaAfter(text, before.end) : undefined;
    return last === undefined ? [lines] : [deletion({ start: last, end: last + 1 }), lines];
  }
  const cut =
    after === undefined
      ? { start: before?.end ?? item.start, end: item.end }
      : { start: item.start, end: after.start };
  const around = text.slice(cut.start, item.start) + text.slice(item.end, cut.end);
  return around.includes('#') ? undefined : [deletion(cut)];
}

/** Adds an item at the end. Undefined where it takes a person. */
export function putIn(text: string, list: BracketList, item: BracketItem): readonly Edit[] | undefined {
  const last = list.items.at(-1);
  if (last === undefined) return putInFirst(text, list, item);
  const indent = indentAt(text, last.start);
  const moved = shiftRest(item.text, item.indent, indent);
  if (!hasOwnLines(text, last)) {
    const before = list.items.at(-2);
    const between = before === undefined ? '#' : text.slice(before.end, last.start);
    return [insertion(last.end, (between.includes('#') ? usualComma(text) : between) + moved)];
  }
  const comma = commaAfter(text, last.end);
  const line = `${indent}${moved}${comma === undefined ? '' : ','}${eolOf(text)}`;
  const added = insertion(nextLine(text, comma ?? last.end), line);
  return comma === undefined ? [insertion(last.end, ','), added] : [added];
}

/** Indents all lines but the first otherwise. */
export function shiftRest(text: string, from: string, to: string): string {
  return text.replaceAll(`\n${from}`, `\n${to}`);
}

/** Nothing else stands on the lines of the item but its comma and a comment. */
function hasOwnLines(text: string, { start, end }: Span): boolean {
  const before = text.slice(lineStart(text, start), start);
  const after = text.slice(end, nextLine(text, end));
  return before.trim() === '' && /^\s*,?\s*(#.*)?\s*$/.test(after);
}

function takeOutOnly(text: string, list: BracketList, item: Span): readonly Edit[] {
  const end = (commaAfter(text, item.end) ?? item.end - 1) + 1;
  const inside = { start: list.start + 1, end: list.end - 1 };
  const rest = text.slice(inside.start, item.start) + text.slice(end, inside.end);
  if (rest.trim() === '') return [deletion(inside)];
  const own = { start: item.start, end };
  return [deletion(hasOwnLines(text, item) ? entryLines(text, own) : own)];
}

function putInFirst(text: string, list: BracketList, item: BracketItem): readonly Edit[] | undefined {
  const inside = { start: list.start + 1, end: list.end - 1 };
  if (text.slice(inside.start, inside.end).trim() !== '') return undefined;
  const outer = indentAt(text, list.start);
  if (!item.hasOwnLines) return [{ ...inside, text: shiftRest(item.text, item.indent, outer) }];
  const eol = eolOf(text);
  const indent = outer + item.unit;
  const lines = shiftRest(item.text, item.indent, indent);
  return [{ ...inside, text: `${eol}${indent}${lines}${eol}${outer}` }];
}

/** On the same line. */
function commaAfter(text: string, offset: number): number | undefined {
  const gap = /^[ \t]*/.exec(text.slice(offset, nextLine(text, offset)))?.[0].length ?? 0;
  return text[offset + gap] === ',' ? offset + gap : undefined;
}

/** As the file has it. */
function usualComma(text: string): string {
  return /,\s/.test(text) ? ', ' : ',';
}
