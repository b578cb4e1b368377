import { indentAt, lineAt, lineStart, nextLine, type Span } from './text-edits.ts';

/** The column of an entry's dash. */
export function columnOf(text: string, { start }: Span): number {
  return start - lineStart(text, start);
}

/**
 * The whole lines of an entry that begins with a dash: with the comments right above it that stand where the dash does, and
 * those below it that are indented as its content is.
 */
export function entryLines(text: string, entry: Span): Span {
  const column = columnOf(text, entry);
  let start = lineStart(text, entry.start);
  while (start > 0 && isComment(text, start - 1) && indentAt(text, start - 1).length === column)
    start = lineStart(text, start - 1);
  let end = nextLine(text, lastContent(text, entry, column));
  while (end < text.length && isComment(text, end) && indentAt(text, end).length > column)
    end = nextLine(text, end);
  return { start, end };
}

/** The same with one of the blank lines around it, so that taking it out leaves no two of them. */
export function entryWithGap(text: string, entry: Span): Span {
  const { start, end } = entryLines(text, entry);
  const isBlankBefore = start > 0 && lineAt(text, start - 1).trim() === '';
  const isBlankAfter = end >= text.length || lineAt(text, end).trim() === '';
  return { start: isBlankBefore && isBlankAfter ? lineStart(text, start - 1) : start, end };
}

/** Whether the entries of a list stand apart. */
export function isSpaced(text: string, entries: readonly Span[]): boolean {
  return entries.slice(1).some((entry) => {
    const { start } = entryLines(text, entry);
    return start > 0 && lineAt(text, start - 1).trim() === '';
  });
}

/** Blank lines after an entry, and comments that stand where its dash does, are no part of it. */
function lastContent(text: string, entry: Span, column: number): number {
  let at = Math.max(entry.start, entry.end - 1);
  while (lineStart(text, at) > entry.start) {
    const isRest = isComment(text, at) && indentAt(text, at).length <= column;
    if (lineAt(text, at).trim() !== '' && !isRest) break;
    at = lineStart(text, at) - 1;
  }
  return at;
}

function isComment(text: string, offset: number): boolean {
  return lineAt(text, offset).trimStart().startsWith('#');
}
