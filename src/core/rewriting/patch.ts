import type { SourceFile } from '../source-file.ts';
import { type DiffLine, diffLines } from './line-diff.ts';

const CONTEXT = 3;

/** A change of files as `git apply` takes it. `before`: at least the files that changed, by path. */
export function patchOf(before: ReadonlyMap<string, string>, after: readonly SourceFile[]): string {
  return after.map(({ path, content }) => filePatch(path, before.get(path) ?? '', content)).join('');
}

function filePatch(path: string, before: string, after: string): string {
  const lines = diffLines(before, after);
  if (lines.every(({ kind }) => kind === 'same')) return '';
  const [from, to] = [quoted(`a/${path}`), quoted(`b/${path}`)];
  const hunks = hunksOf(lines).map(([start, end]) => hunkText(lines, start, end));
  return `diff --git ${from} ${to}\n--- ${from}${tabAfter(path)}\n+++ ${to}${tabAfter(path)}\n${hunks.join('')}`;
}

/** Pieces of the difference that hold changes with the lines around them, from and up to, not including. */
function hunksOf(lines: readonly DiffLine[]): (readonly [number, number])[] {
  const hunks: [number, number][] = [];
  for (const [index, { kind }] of lines.entries()) {
    if (kind === 'same') continue;
    const [start, end] = [Math.max(0, index - CONTEXT), Math.min(lines.length, index + CONTEXT + 1)];
    const last = hunks.at(-1);
    if (last !== undefined && start <= last[1]) last[1] = end;
    else hunks.push([start, end]);
  }
  return hunks;
}

function hunkText(lines: readonly DiffLine[], start: number, end: number): string {
  const before = lines.slice(0, start);
  const inside = lines.slice(start, end);
  const range = (other: DiffLine['kind']) => {
    const count = (some: readonly DiffLine[]) => some.filter(({ kind }) => kind !== other).length;
    const length = count(inside);
    // A range without lines is named by the line before it.
    return `${count(before) + (length === 0 ? 0 : 1)},${length}`;
  };
  return `@@ -${range('added')} +${range('removed')} @@\n${inside.map(lineText).join('')}`;
}

const SIGNS = { same: ' ', removed: '-', added: '+' } as const;

function lineText({ kind, text }: DiffLine): string {
  const ending = text.endsWith('\n') ? '' : '\n\\ No newline at end of file\n';
  return `${SIGNS[kind]}${text}${ending}`;
}

/** As git writes a path that has more in it than plain characters. */
function quoted(path: string): string {
  if (/^[\x20\x21\x23-\x5B\x5D-\x7E]*$/.test(path)) return path;
  const bytes = [...new TextEncoder().encode(path)].map((byte) => {
    const character = String.fromCharCode(byte);
    if (character === '"' || character === '\\') return `\\${character}`;
    return byte < 0x20 || byte > 0x7e ? `\\${byte.toString(8).padStart(3, '0')}` : character;
  });
  return `"${bytes.join('')}"`;
}

/** git ends a path with a space in it by a tab. */
function tabAfter(path: string): string {
  return /^[\x20\x21\x23-\x5B\x5D-\x7E]*$/.test(path) && path.includes(' ') ? '\t' : '';
}
