import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { diffLines } from '../../src/core/rewriting/line-diff.ts';
import { patchOf } from '../../src/core/rewriting/patch.ts';

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'kg-patch-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** What `git apply` makes of the text by the patch. */
function applied(path: string, before: string, after: string): string {
  const file = join(dir, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, before);
  const input = patchOf(new Map([[path, before]]), [{ path, content: after }]);
  execFileSync('git', ['apply', '--whitespace=nowarn', '-'], { cwd: dir, input });
  return readFileSync(file, 'utf8');
}

const numbered = (count: number) => Array.from({ length: count }, (_, line) => `line ${line}\n`);

describe('a patch', () => {
  it.each([
    { name: 'of one line', path: 'a.yaml', before: 'a\nb\nc\n', after: 'a\nB\nc\n' },
    {
      name: 'of lines far apart, in several hunks',
      path: 'a.yaml',
      before: numbered(40).join(''),
      after: ['first\n', ...numbered(40).toSpliced(20, 1), 'last\n'].join(''),
    },
    { name: 'of a text without an end of line', path: 'a.yaml', before: 'a\nb', after: 'b\na' },
    { name: 'that gives it one', path: 'a.yaml', before: 'a\nb', after: 'a\nb\n' },
    { name: 'of lines that end as on Windows', path: 'a.yaml', before: 'a\r\nb\r\n', after: 'b\r\n' },
    { name: 'of a path with a space', path: 'the web.yaml', before: 'a\n', after: 'b\n' },
    { name: 'of a path with other letters', path: 'manifests/grün "x".yaml', before: 'a\n', after: 'b\n' },
  ])('$name is what git applies', ({ path, before, after }) => {
    expect(applied(path, before, after)).toBe(after);
  });

  it('is empty where nothing changed', () => {
    expect(patchOf(new Map([['a', 'x\n']]), [{ path: 'a', content: 'x\n' }])).toBe('');
  });

  it('is what git applies, whatever the texts', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c', ''), { maxLength: 30 })
      .map((lines) => lines.join('\n'));
    fc.assert(
      fc.property(text, text, (before, after) => {
        fc.pre(before !== '' && after !== '' && before !== after);
        expect(applied('x.yaml', before, after)).toBe(after);
      }),
      { numRuns: 40 },
    );
  });
});

it('a difference is as short as can be', () => {
  const changes = diffLines('a\nb\nc\na\nb\nb\na\n', 'c\nb\na\nb\na\nc\n').filter(
    ({ kind }) => kind !== 'same',
  );
  expect(changes).toHaveLength(5);
});
