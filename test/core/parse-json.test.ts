import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toValue } from '../../src/core/located.ts';
import { parseJson } from '../../src/core/parse-json.ts';
import { GUIDE_DELETE } from './guide.ts';

/** `line:column: message` of each mistake. */
function mistakes(text: string): string[] {
  return parseJson(text).mistakes.map(({ place, message }) => `${place.line}:${place.column}: ${message}`);
}

describe('parseJson', () => {
  it("shows where the guide's example lacks its comma", () => {
    expect(mistakes(GUIDE_DELETE)).toEqual(['7:47: missing "," after "TDH Datanode" (before "hostname")']);
  });

  it.each([
    ['{"a": 1 "b": 2}', '1:8: missing "," after 1 (before "b")'],
    ['[{}\n {}]', '1:4: missing "," after "}" (before "{")'],
    ['[[1]\n\n[2]]', '1:5: missing "," after "]" (before "[")'],
    ['{"a": true\n"b": 2}', '1:11: missing "," after true (before "b")'],
    ['[1,\n2,\n]', '2:2: the "," before "]" is one too many'],
    ['{"a": 1,}', '1:8: the "," before "}" is one too many'],
    ['[1,,2]', '1:4: the "," here has nothing before it'],
    ['{,}', '1:2: the "," here has nothing before it'],
    ['{"a" 1}', '1:5: missing ":" after the key "a"'],
    ['{"a":}', '1:6: a value is missing after ":"'],
    ['{"a": 1: 2}', '1:8: ":" after 1 is out of place'],
    ['{a: 1}', '1:2: the key a must stand in double quotes'],
    ["{'a': 1}", '1:2: JSON text stands in double quotes, not in single ones'],
    ['{[]: 1}', '1:2: "[" where a key in double quotes is expected'],
    [
      '[\n  {"a": [1, 2}\n]',
      '2:14: "}" does not close the "[" before it: "]" is missing, or this bracket is one too many',
    ],
    ['[}', '1:2: "}" does not close the "[" before it: "]" is missing, or this bracket is one too many'],
    ['[\n {"a": 1},\n {"b": 2}\n', '1:1: the "[" here is never closed'],
    ['[{"a": 1', '1:2: the "{" here is never closed'],
    ['{"a": "web\n}', '1:7: the text that begins here has no closing "'],
    ['["a\\', '1:2: the text that begins here has no closing "'],
    ['["a\tb"]', '1:4: a tab inside a text; write it as an escape such as \\t'],
    ['["C:\\data"]', '1:5: "\\d" is no escape that JSON knows'],
    ['["\\u12"]', '1:3: "\\u" is no escape that JSON knows'],
    ['[True]', '1:2: True is no JSON value'],
    ['[on]', '1:2: on is no JSON value'],
    ['[01]', '1:2: 01 is no JSON value'],
    ['[.5]', '1:2: .5 is no JSON value'],
    ['[1 // one\n]', '1:4: JSON has no comments'],
    ['# hosts\n[]', '1:1: JSON has no comments'],
    ['[]\n[]', '2:1: "[" follows the end of the value'],
    ['[]]', '1:3: "]" follows the end of the value'],
    ['\u00a0[]', '1:1: \\u00a0 is no JSON value'],
    ['[\u001b[31m]', '1:2: \\u001b is no JSON value'],
    ['{"a": 1, "b": 2, "a": 3}', '1:18: the key "a" stands here a second time; the first is on line 1'],
    ['{"__proto__": {}}', '1:2: the key "__proto__" is not allowed'],
    [`${'['.repeat(17)}${']'.repeat(17)}`, '1:17: nested more than 16 levels deep'],
    [`${'{"a":'.repeat(17)}1${'}'.repeat(17)}`, '1:81: nested more than 16 levels deep'],
  ])('of %j says %s', (text, mistake) => {
    expect(mistakes(text)).toEqual([mistake]);
  });

  it('takes 16 levels', () => {
    expect(mistakes('['.repeat(16) + ']'.repeat(16))).toEqual([]);
  });

  it.each(['['.repeat(200_000), '{"a":'.repeat(200_000), `"${'\\"'.repeat(500_000)}`])(
    'survives text that is made to break parsers',
    (text) => {
      expect(mistakes(text)).toHaveLength(1);
    },
  );

  it('reads every shallow JSON value as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const text = JSON.stringify(value, null, 1);
        fc.pre(!text.includes('__proto__'));
        const { root } = parseJson(text);
        expect(root && toValue(root)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('says something of its own of every text that JSON.parse refuses', () => {
    const pieces = fc.constantFrom(
      '[',
      ']',
      '{',
      '}',
      ',',
      ':',
      '"a"',
      '"',
      '1',
      'true',
      'x',
      ' ',
      '\n',
      '\\',
      '-',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        fc.pre(text.trim() !== '' && !isJson(text));
        const [mistake] = parseJson(text).mistakes;
        expect(mistake?.message).not.toMatch(/JSON at position|Unexpected/);
      }),
      { numRuns: 2000 },
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
