import * as fc from 'fast-check';
import { CLUSTER_YAML, MANIFEST_YAML, validManifest } from './samples.ts';

const WORDS = (
  'null ~ yes 0x1F 1e999 -0 .inf .nan 010 2026-01-01 99999999999999999999 host vmspecs name vcpus memoryGb ipaddress disks ' +
  'snapshots cloudInit dependsOn cluster hosts images defaults pools freezes __proto__ constructor toString <<<<<<< ${x}'
).split(' ');
const SIGNS = '- |: |? |, |[|]|{|}|"|\'|#|@|`|\\|&a |*a|&b |*b|<<: |!!str |!!binary |!x |% |é|😀'.split('|');
const BREAKS = ['\n', '\r\n', ' ', '  ', '\t', '|\n', '>-\n', '---\n', '...\n', '%YAML 1.2\n'];
const ODD = ['\\u0000', '\u0000', '\u2028', '\u200b', '\ud800', '\ufeff', '\u001b[31m'];

/** Pieces that mean something to a parser of YAML or JSON, or to ours. */
const PIECES = [...WORDS, ...SIGNS, ...BREAKS, ...ODD];

const pieces = fc
  .array(fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 6, unit: 'binary' })), { maxLength: 60 })
  .map((parts) => parts.join(''));

/** A text with a part of it replaced by something else. */
function mutated(text: string): fc.Arbitrary<string> {
  const cut = fc.tuple(fc.nat(text.length), fc.nat(12), fc.oneof(pieces, fc.constantFrom(...PIECES)));
  return fc
    .array(cut, { minLength: 1, maxLength: 4 })
    .map((cuts) =>
      cuts.reduce((now, [at, length, instead]) => now.slice(0, at) + instead + now.slice(at + length), text),
    );
}

/** Any value in the place of any part of a valid manifest. */
const wrongTypes = fc
  .tuple(
    fc.nat(400),
    fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.constantFrom(-1, 1e308, '', [], {}, [[]], ' ')),
  )
  .map(([place, value]) => {
    let at = 0;
    return (
      JSON.stringify(validManifest(), (_key, here: unknown) => (at++ === place % 60 ? value : here)) ?? ''
    );
  });

/** A level of nothing but aliases of the one before: read naively it is 9 ** levels large. */
function bomb(levels: number): string {
  const lines = Array.from({ length: levels }, (_, i) => {
    const below = i === 0 ? 'x' : `*a${i - 1}`;
    return `a${i}: &a${i} [${Array.from({ length: 9 }, () => below).join(', ')}]\n`;
  });
  return `${lines.join('')}- host: *a${Math.max(0, levels - 1)}\n`;
}

const nests = fc
  .tuple(
    fc.nat(5_000),
    fc.constantFrom('[', '{a: ', '- ', '? ', '{"a":', '[[', '&a [', '!x [', "- '"),
    fc.boolean(),
  )
  .map(
    ([depth, open, isClosed]) =>
      open.repeat(depth) + (isClosed ? (open === '[' ? ']' : '}').repeat(depth) : ''),
  );

/** What somebody could push under `manifests/`, by mistake or to do harm. */
export const anyManifest: fc.Arbitrary<string> = fc.oneof(
  pieces,
  wrongTypes,
  mutated(MANIFEST_YAML),
  mutated(JSON.stringify(validManifest(), null, 2)),
  fc.nat(40).map(bomb),
  nests,
);

/** The same of `cluster.yaml`. */
export const anyCluster: fc.Arbitrary<string> = fc.oneof(
  pieces,
  mutated(CLUSTER_YAML),
  fc.nat(40).map(bomb),
  nests,
);

/** Texts as large as the limit of a file lets them be when `size` is that, each hard in a way of its own. */
export const HARD: Readonly<Record<string, (size: number) => string>> = {
  'aliases of aliases': (size) => bomb(Math.floor(size / 60)),
  'aliases of one anchor': (size) => `- &a { host: t01 }\n${'- *a\n'.repeat(size / 5)}`,
  'anchors without end': (size) => Array.from({ length: size / 12 }, (_, i) => `- &a${i} x\n`).join(''),
  'open brackets': (size) => '['.repeat(size),
  'open braces': (size) => '{a: '.repeat(size / 4),
  'steps to the right': (size) =>
    Array.from({ length: Math.sqrt(size) }, (_, i) => `${' '.repeat(i)}a:\n`).join(''),
  'dashes in a line': (size) => '- '.repeat(size / 2),
  'one key often': (size) => 'a: 1\n'.repeat(size / 5),
  'many keys': (size) => Array.from({ length: size / 10 }, (_, i) => `k${i}: 1\n`).join(''),
  'one long word': (size) => `- host: ${'x'.repeat(size)}\n`,
  'a long quoted text': (size) => `- host: "${'\\u0041'.repeat(size / 6)}"\n`,
  'an open quote': (size) => `- host: "${'x\n '.repeat(size / 3)}`,
  'blank lines': (size) => `- host: t01${'\n'.repeat(size)}`,
  'spaces before a comment': (size) => `- host: t01\n${' '.repeat(size)}# x\n`,
  tags: (size) => '- !a\n'.repeat(size / 5),
  documents: (size) => '---\n'.repeat(size / 4),
  'carriage returns': (size) => '\r'.repeat(size),
  'VMs without anything': (size) => `- host: t01\n  vmspecs:\n${'    - {}\n'.repeat(size / 9)}`,
  'VMs of one name': (size) => `- host: t01\n  vmspecs:\n${'    - { name: web }\n'.repeat(size / 21)}`,
  'hosts that nobody knows': (size) => '- { host: t9, vmspecs: [] }\n'.repeat(size / 28),
  'a long number': (size) => `- host: ${'9'.repeat(size)}\n`,
  'JSON in a line': (size) => `[${'{"host":"t01","vmspecs":[]},'.repeat(size / 28)}0]`,
};
