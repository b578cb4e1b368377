import { describe, expect, it } from 'vitest';
import { rewriteHosts } from '../../src/core/rewriting/rewrite-hosts.ts';

const SPEC = 'ipaddress: 10.0.0.1, vcpus: 1, memoryGb: 1';

function rewritten(content: string, moves: Record<string, string>, path = 'manifests/a.yaml'): string {
  const result = rewriteHosts([{ path, content }], new Map(Object.entries(moves)));
  if (!result.ok) throw new Error(result.problem);
  return result.files[0]?.content ?? content;
}

/** A case: the moves, the text before, and the text after. */
interface Case {
  readonly name: string;
  readonly moves: Record<string, string>;
  readonly before: string;
  readonly after: string;
}

const yaml: Case[] = [
  {
    name: 'a group whose VMs all go to one host gets its name, and nothing else changes',
    moves: { a: 't02', b: 't02' },
    before: `# ours\n- host:   t01   # rack 1\n  vmspecs:\n    - {name: a, ${SPEC}}\n    - {name: b, ${SPEC}}\n`,
    after: `# ours\n- host:   t02   # rack 1\n  vmspecs:\n    - {name: a, ${SPEC}}\n    - {name: b, ${SPEC}}\n`,
  },
  {
    name: 'a VM goes to the end of the group of its new host, with the comments above and inside it',
    moves: { a: 't02' },
    before: `- host: t01
  vmspecs:
    # the first, with
    # two lines
    - name: a # of Ann
      ipaddress: 10.0.0.1
      vcpus:   1 # one
      memoryGb: 1
      # nothing else
    # the second
    - { name: b, ${SPEC} }

- host: t02
  vmspecs:
    - { name: c, ${SPEC} }
    # no more

# the end
`,
    after: `- host: t01
  vmspecs:
    # the second
    - { name: b, ${SPEC} }

- host: t02
  vmspecs:
    - { name: c, ${SPEC} }
    # the first, with
    # two lines
    - name: a # of Ann
      ipaddress: 10.0.0.1
      vcpus:   1 # one
      memoryGb: 1
      # nothing else
    # no more

# the end
`,
  },
  {
    name: 'lines are indented as the others are where they go, and texts of several lines with them',
    moves: { a: 't02' },
    before: `- host: t01
  vmspecs:
      - name: a
        description: |
          one
            two

          three
        ${SPEC.replaceAll(', ', '\n        ')}
      - {name: b, ${SPEC}}
- host: t02
  vmspecs:
  - {name: c, ${SPEC}}`,
    after: `- host: t01
  vmspecs:
      - {name: b, ${SPEC}}
- host: t02
  vmspecs:
  - {name: c, ${SPEC}}
  - name: a
    description: |
      one
        two

      three
    ${SPEC.replaceAll(', ', '\n    ')}`,
  },
  {
    name: 'a host without a group gets one, as far apart from the others as they are',
    moves: { a: 't03' },
    before: `- host: t01\n  vmspecs:\n    - {name: a, ${SPEC}}\n    - {name: b, ${SPEC}}\n\n- vmspecs:\n    - {name: c, ${SPEC}}\n  host: t02\n`,
    after: `- host: t01\n  vmspecs:\n    - {name: b, ${SPEC}}\n\n- vmspecs:\n    - {name: c, ${SPEC}}\n  host: t02\n\n- host: t03\n  vmspecs:\n    - {name: a, ${SPEC}}\n`,
  },
  {
    name: 'a group that loses its VMs to several hosts stays, with its comments',
    moves: { a: 't02', b: 't03' },
    before: `# rack 1\n- host: t01\n  vmspecs: # all of them\n    - {name: a, ${SPEC}}\n    - {name: b, ${SPEC}}\n`,
    after: `# rack 1\n- host: t01\n  vmspecs: [] # all of them\n- host: t02\n  vmspecs:\n    - {name: a, ${SPEC}}\n- host: t03\n  vmspecs:\n    - {name: b, ${SPEC}}\n`,
  },
  {
    name: 'a group that was left empty takes VMs again',
    moves: { a: 't02' },
    before: `- host: t01\n  vmspecs:\n    - {name: a, ${SPEC}}\n    - {name: b, ${SPEC}}\n- host: t02\n  vmspecs: [] # none\n`,
    after: `- host: t01\n  vmspecs:\n    - {name: b, ${SPEC}}\n- host: t02\n  vmspecs: # none\n    - {name: a, ${SPEC}}\n`,
  },
  {
    name: 'a blank line between VMs stays one blank line',
    moves: { b: 't02' },
    before: `- host: t01\n  vmspecs:\n    - {name: a, ${SPEC}}\n\n    - {name: b, ${SPEC}}\n\n    - {name: c, ${SPEC}}\n`,
    after: `- host: t01\n  vmspecs:\n    - {name: a, ${SPEC}}\n\n    - {name: c, ${SPEC}}\n- host: t02\n  vmspecs:\n    - {name: b, ${SPEC}}\n`,
  },
  {
    name: 'lists in brackets stay in brackets',
    moves: { a: 't02' },
    before: `- host: t01\n  vmspecs: [{name: a, ${SPEC}}, {name: b, ${SPEC}}]\n- host: t02\n  vmspecs: [ {name: c, ${SPEC}} ]\n`,
    after: `- host: t01\n  vmspecs: [{name: b, ${SPEC}}]\n- host: t02\n  vmspecs: [ {name: c, ${SPEC}}, {name: a, ${SPEC}} ]\n`,
  },
  {
    name: 'groups in braces are made in braces',
    moves: { b: 't02' },
    before: `- { host: 't01', vmspecs: [ {name: a, ${SPEC}}, {name: b, ${SPEC}} ] }\n`,
    after: `- { host: 't01', vmspecs: [ {name: a, ${SPEC}} ] }\n- { host: 't02', vmspecs: [ {name: b, ${SPEC}} ] }\n`,
  },
  {
    name: 'a VM in braces becomes an entry with a dash where the others have one',
    moves: { b: 't02' },
    before: `- host: t01\n  vmspecs: [{name: a, ${SPEC}}, {name: b, ${SPEC}}]\n- host: t02\n  vmspecs:\n  - {name: c, ${SPEC}}\n`,
    after: `- host: t01\n  vmspecs: [{name: a, ${SPEC}}]\n- host: t02\n  vmspecs:\n  - {name: c, ${SPEC}}\n  - {name: b, ${SPEC}}\n`,
  },
  {
    name: 'comments in brackets stay with their lines',
    moves: { b: 't02' },
    before: `- host: t01\n  vmspecs: [\n    {name: a, ${SPEC}}, # first\n    # second\n    {name: b, ${SPEC}} # last\n  ]\n- host: t02\n  vmspecs: [\n    {name: c, ${SPEC}} # there\n  ]\n`,
    after: `- host: t01\n  vmspecs: [\n    {name: a, ${SPEC}} # first\n  ]\n- host: t02\n  vmspecs: [\n    {name: c, ${SPEC}}, # there\n    {name: b, ${SPEC}}\n  ]\n`,
  },
  {
    name: 'anchors and the lines that refer to them are kept where the order allows it',
    moves: { b: 't02' },
    before: `- host: t01\n  vmspecs:\n    - {name: a, antiAffinity: &db [db], ${SPEC}}\n    - {name: b, antiAffinity: *db, ${SPEC}}\n- host: t02\n  vmspecs: []\n`,
    after: `- host: t01\n  vmspecs:\n    - {name: a, antiAffinity: &db [db], ${SPEC}}\n- host: t02\n  vmspecs:\n    - {name: b, antiAffinity: *db, ${SPEC}}\n`,
  },
  {
    name: 'a host that others refer to is not renamed',
    moves: { a: 't02' },
    before: `- host: &h t01\n  vmspecs:\n    - {name: a, ${SPEC}}\n- host: *h\n  vmspecs:\n    - {name: b, ${SPEC}}\n`,
    after: `- host: &h t01\n  vmspecs: []\n- host: *h\n  vmspecs:\n    - {name: b, ${SPEC}}\n- host: t02\n  vmspecs:\n    - {name: a, ${SPEC}}\n`,
  },
  {
    name: 'lines that end as on Windows do so when moved',
    moves: { b: 't02' },
    before: `- host: t01\r\n  vmspecs:\r\n    - {name: a, ${SPEC}}\r\n    - {name: b, ${SPEC}}\r\n`,
    after: `- host: t01\r\n  vmspecs:\r\n    - {name: a, ${SPEC}}\r\n- host: t02\r\n  vmspecs:\r\n    - {name: b, ${SPEC}}\r\n`,
  },
];

describe('YAML', () => {
  it.each(yaml)('$name', ({ before, after, moves }) => {
    expect(rewritten(before, moves)).toBe(after);
  });

  it('leaves a file alone in which nothing moves', () => {
    const content = `- host: t02\n  vmspecs:\n    - {name: a, ${SPEC}}\n`;
    const result = rewriteHosts([{ path: 'manifests/a.yaml', content }], new Map([['a', 't02']]));
    expect(result).toEqual({ ok: true, files: [] });
  });

  it('refuses to move an anchor behind the lines that refer to it', () => {
    const before = `- host: t01\n  vmspecs:\n    - {name: a, antiAffinity: &db [db], ${SPEC}}\n    - {name: b, antiAffinity: *db, ${SPEC}}\n- host: t02\n  vmspecs: []\n`;
    expect(() => rewritten(before, { a: 't02' })).toThrow(
      'manifests/a.yaml: the lines of a are written so that they cannot be moved by themselves: move them by hand',
    );
  });
});

const vm = (name: string) => ({ name, ipaddress: '10.0.0.1', vcpus: 1, memoryGb: 1 });
const guide = [
  { host: 't01', vmspecs: [vm('a'), vm('b')] },
  { host: 't02', vmspecs: [vm('c')] },
];

describe('JSON', () => {
  it.each([
    { name: 'with an indent of 2', indent: 2 },
    { name: 'with an indent of 4', indent: 4 },
    { name: 'with tabs', indent: '\t' },
    { name: 'in one line', indent: 0 },
  ])('$name is written as before', ({ indent }) => {
    const text = (value: unknown) => JSON.stringify(value, null, indent);
    const path = 'manifests/a.json';
    expect(rewritten(text(guide), { b: 't02' }, path)).toBe(
      text([
        { host: 't01', vmspecs: [vm('a')] },
        { host: 't02', vmspecs: [vm('c'), vm('b')] },
      ]),
    );
    expect(rewritten(text(guide), { a: 't03' }, path)).toBe(
      text([
        { host: 't01', vmspecs: [vm('b')] },
        { host: 't02', vmspecs: [vm('c')] },
        { host: 't03', vmspecs: [vm('a')] },
      ]),
    );
    expect(rewritten(text(guide), { a: 't02', b: 't03' }, path)).toBe(
      text([
        { host: 't01', vmspecs: [] },
        { host: 't02', vmspecs: [vm('c'), vm('a')] },
        { host: 't03', vmspecs: [vm('b')] },
      ]),
    );
  });

  it('takes entries that share lines with their brackets', () => {
    const before = `[{ "host": "t01", "vmspecs": [{
      "name": "a", "ipaddress": "10.0.0.1", "vcpus": 1, "memoryGb": 1
    }, {
      "name": "b", "ipaddress": "10.0.0.2", "vcpus": 1, "memoryGb": 1
    }]}]\n`;
    expect(rewritten(before, { a: 't02' }, 'manifests/a.json')).toBe(`[{ "host": "t01", "vmspecs": [{
      "name": "b", "ipaddress": "10.0.0.2", "vcpus": 1, "memoryGb": 1
    }]}, { "host": "t02", "vmspecs": [{
      "name": "a", "ipaddress": "10.0.0.1", "vcpus": 1, "memoryGb": 1
    }]}]\n`);
  });
});
