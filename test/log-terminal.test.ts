import { stripVTControlCharacters } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatRecord } from '../src/log-terminal.ts';

const TIME = '2026-03-01T12:34:56.789Z';

/** Any characters below U+2100: controls, separators and marks of direction are among them. */
const anyText = fc.string({
  unit: fc.integer({ min: 0, max: 0x2100 }).map((code) => String.fromCodePoint(code)),
});

function plain(record: Record<string, unknown>): string {
  return stripVTControlCharacters(formatRecord({ time: TIME, ...record }));
}

describe('formatRecord', () => {
  it('writes time, level, message and fields on one line', () => {
    const line = plain({ level: 'info', msg: 'applied', vm: 'web', count: 3, hosts: ['a', 'b'] });
    expect(line).toMatch(/^\d\d:34:56 info {2}applied vm=web count=3 hosts=\["a","b"\]$/);
  });

  it.each([
    { value: 'two words', shown: '"two words"' },
    { value: '', shown: '""' },
    { value: 'a=b', shown: '"a=b"' },
    { value: 'say "hi"', shown: String.raw`"say \"hi\""` },
    { value: null, shown: 'null' },
  ])('quotes $value where it would be misread', ({ value, shown }) => {
    expect(plain({ level: 'info', msg: 'm', value })).toContain(` value=${shown}`);
  });

  it('shows code, message and causes of an error, and no cause twice', () => {
    const cause = { type: 'Error', message: 'connect ECONNREFUSED' };
    expect(
      plain({ level: 'warn', msg: 'm', err: { code: 'E_TIMEOUT', message: 'no answer', cause } }),
    ).toContain('err="E_TIMEOUT no answer <- connect ECONNREFUSED"');
    const repeated = { code: 'E_TIMEOUT', message: 'failed: connect ECONNREFUSED', cause };
    expect(plain({ level: 'warn', msg: 'm', err: repeated })).toContain(
      'err="E_TIMEOUT failed: connect ECONNREFUSED"',
    );
  });

  it('puts the stack of a bug below, indented', () => {
    const stack = 'TypeError: x\n    at a.ts:1:1';
    expect(
      plain({ level: 'error', msg: 'm', err: { message: 'x', stack } })
        .split('\n')
        .slice(1),
    ).toEqual(['    TypeError: x', '    at a.ts:1:1']);
  });

  it('lets no text of a record control the terminal', () => {
    const own = controls('plain');
    fc.assert(
      fc.property(anyText, (hostile) => {
        expect(controls(hostile)).toEqual(own);
      }),
    );
    expect(controls('a\u{1b}[2J\u{9b}2Jb\u{202e}\r')).toEqual(own);
  });
});

/** All that could control a terminal, our own colours and line ends included. */
function controls(words: string): readonly string[] {
  return formatRecord(withWords(words)).match(/[\p{Cc}\p{Cf}]/gu) ?? [];
}

/** A record that has the same words wherever a record can have words; colours and line ends are our own. */
function withWords(words: string): Record<string, unknown> {
  const cause = { message: `cause ${words}`, stack: `stack ${words.replaceAll('\n', '')}` };
  return {
    level: 'error',
    time: TIME,
    msg: words,
    a: words,
    [`k${words}`]: [words],
    err: { message: words, cause },
  };
}
