import { describe, expect, it } from 'vitest';
import { keyPlaceOf, placeOf, toValue } from '../../src/core/located.ts';
import { parseYaml } from '../../src/core/parse-yaml.ts';

/** `line:column: message` of each mistake. */
function mistakes(text: string): string[] {
  return parseYaml(text).mistakes.map(({ place, message }) => `${place.line}:${place.column}: ${message}`);
}

const BOMB = ['a: &a [1,1,1,1,1,1,1,1,1]', ...['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map(bombLine)].join(
  '\n',
);

function bombLine(name: string): string {
  const before = String.fromCharCode(name.charCodeAt(0) - 1);
  return `${name}: &${name} [${Array(9).fill(`*${before}`).join(',')}]`;
}

describe('parseYaml', () => {
  it('reads YAML 1.2: words stay words', () => {
    const { root } = parseYaml('power: off\nanswer: no\ncolons: 52:54:00:12:34:56\nsize: 0.25\nzero: 010\n');
    expect(root && toValue(root)).toEqual({
      power: 'off',
      answer: 'no',
      colons: '52:54:00:12:34:56',
      size: 0.25,
      zero: 10,
    });
  });

  it('knows the places of keys and values', () => {
    const { root } = parseYaml('- host: t01\n  vmspecs:\n    - name: web\n      vcpus:   2\n');
    if (root === undefined) throw new Error('unreadable');
    expect(placeOf(root, [0, 'vmspecs', 0, 'vcpus'])).toEqual({ line: 4, column: 16 });
    expect(keyPlaceOf(root, [0, 'vmspecs', 0, 'vcpus'])).toEqual({ line: 4, column: 7 });
    expect(placeOf(root, [0, 'vmspecs', 0, 'memoryGb', 'x'])).toEqual({ line: 3, column: 7 });
  });

  it('follows aliases', () => {
    const { root } = parseYaml('a: &small {vcpus: 1}\nb: *small\n');
    expect(root && toValue(root)).toEqual({ a: { vcpus: 1 }, b: { vcpus: 1 } });
  });

  it.each([
    ['a: 1\nb: 2\na: 3\n', '3:1: the key "a" stands here a second time; the first is on line 1'],
    ['a:\n\t- b\n', '2:1: a tab is used to indent'],
    ['- a\n---\n- b\n', '2:1: a second document begins here'],
    ['%YAML 1.1\n---\na: no\n', '1:1: this file asks for YAML 1.1; it is read as YAML 1.2'],
    ['a: [1, 2\nb: 3\n', '2:1: a "{" or "[" before this is not closed'],
    ['{a: 1, b: 2', '1:12: a "{" or "[" before this is not closed'],
    ['a: "x\n', '2:1: a text before this has no closing quote'],
    ['a: b: c\n', '1:4: a second "key: value" inside a value'],
    ['key\nfoo: 1\n', '1:1: a key has no ":" on its line'],
    ['- name: a\n vcpus: 2\n', '2:1: sequence item without - indicator'],
    ['x:\n  y: 1\n z: 2\n', '3:1: all mapping items must start at the same column'],
    ['a: @x', '1:4: plain value cannot start with reserved character @'],
    ['- !secret x\n', '1:3: a tag ("!...") is not allowed here'],
    ['? [a]\n: 1\n', '1:3: a key must be a plain text'],
    ['__proto__: 1\n', '1:1: the key "__proto__" is not allowed'],
    ['a: *x\n', '1:4: this alias ("*...") points to no anchor ("&...") before it'],
    ['&a [*a]\n', '1:5: this alias ("*...") points to no anchor ("&...") before it'],
    [BOMB, '5:8: aliases stand for more than 10000 values'],
    [`${'['.repeat(17)}${']'.repeat(17)}`, '1:17: nested more than 16 levels deep'],
    [`a: &a ${'['.repeat(15)}${']'.repeat(15)}\nb: [[*a]]`, '2:6: nested more than 16 levels deep'],
  ])('of %j says %s', (text, mistake) => {
    expect(mistakes(text)).toEqual([mistake]);
  });

  it.each([
    ['16 levels', '['.repeat(16) + ']'.repeat(16)],
    ['brackets in texts', `a: |\n  ${'['.repeat(100)}\nb: "${'['.repeat(100)}"\nc: x${'['.repeat(100)}\n`],
    [
      'many lines of one level',
      'k: 1\n'.replace('k', 'k0') + Array.from({ length: 200 }, (_, i) => `k${i + 1}: 1`).join('\n'),
    ],
    ['wide lists', Array.from({ length: 200 }, (_, i) => `- a: ${i}\n  b: {c: [1, 2]}`).join('\n')],
  ])('takes %s', (_, text) => {
    expect(mistakes(text)).toEqual([]);
  });

  it.each([
    ['brackets', '['.repeat(100_000)],
    ['dashes', `${'- '.repeat(100_000)}a`],
    ['braces', '{a: '.repeat(50_000)],
    ['keys on a line', 'a: '.repeat(50_000)],
    ['question marks', '? '.repeat(50_000)],
    ['indentation', Array.from({ length: 2000 }, (__, i) => `${' '.repeat(i)}a:`).join('\n')],
    ['dashed indentation', Array.from({ length: 2000 }, (__, i) => `${' '.repeat(i)}-`).join('\n')],
    ['brackets on lines', '[\n'.repeat(50_000)],
  ])('survives an abyss of %s', (_, text) => {
    expect(mistakes(text)).toEqual([expect.stringContaining('nested more than 16 levels deep')]);
  });
});
