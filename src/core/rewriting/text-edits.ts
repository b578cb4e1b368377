/** A piece of a text: from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Puts `text` in the place of a piece. */
export interface Edit extends Span {
  readonly text: string;
}

/** Makes all edits at once, their offsets being those of the text as it was. They may touch, and must not overlap. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const inOrder = edits.toSorted((a, b) => a.start - b.start || a.end - b.end);
  let done = '';
  let at = 0;
  for (const { start, end, text: replacement } of inOrder) {
    if (start < at) throw new RangeError('two edits of one piece of text');
    done += text.slice(at, start) + replacement;
    at = end;
  }
  return done + text.slice(at);
}

/** An edit that only adds. */
export function insertion(at: number, text: string): Edit {
  return { start: at, end: at, text };
}

/** An edit that only takes away. */
export function deletion({ start, end }: Span): Edit {
  return { start, end, text: '' };
}

/** Adds whole lines, each with its end, at the beginning of a line or at the end of the text. */
export function insertLines(text: string, at: number, lines: string): Edit {
  const isTorn = at > 0 && text[at - 1] !== '\n';
  if (!isTorn) return insertion(at, lines);
  const eol = eolOf(text);
  return insertion(at, eol + (lines.endsWith(eol) ? lines.slice(0, -eol.length) : lines));
}

/** How its lines end. */
export function eolOf(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}

/** Where the line of an offset begins. */
export function lineStart(text: string, offset: number): number {
  return offset <= 0 ? 0 : text.lastIndexOf('\n', offset - 1) + 1;
}

/** Where the line after that of an offset begins, or the text ends. */
export function nextLine(text: string, offset: number): number {
  const newline = text.indexOf('\n', offset);
  return newline < 0 ? text.length : newline + 1;
}

/** The line of an offset, without its end. */
export function lineAt(text: string, offset: number): string {
  return text.slice(lineStart(text, offset), nextLine(text, offset)).replace(/\r?\n$/, '');
}

/** What the line of an offset begins with: spaces, in JSON also tabs. */
export function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(lineAt(text, offset))?.[0] ?? '';
}

/** Indents every line that is not blank by `by` more, or less; none beyond the margin. */
export function shiftLines(lines: string, by: number): string {
  if (by > 0) return lines.replace(/^(?=[^\r\n])/gm, ' '.repeat(by));
  return by === 0 ? lines : lines.replace(new RegExp(`^ {1,${-by}}`, 'gm'), '');
}
