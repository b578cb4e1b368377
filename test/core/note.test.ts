import { describe, expect, it } from 'vitest';
import { countSteps, formatDuration, renderNote } from '../../src/core/note.ts';
import type { Report } from '../../src/core/report.ts';
import { report, revision, stepResult } from '../builders.ts';

/** The lines for people, and what programs read. */
function read(note: string): { lines: string[]; json: Record<string, unknown> } {
  expect(note.endsWith('\n')).toBe(true);
  const lines = note.trimEnd().split('\n');
  const json: Record<string, unknown> = JSON.parse(lines.pop() ?? '');
  return { lines, json };
}

const created = [stepResult(), stepResult({ kind: 'start' }), stepResult({ subject: 'db', host: 'b' })];
const failed = stepResult({ outcome: 'failed', error: { code: 'E_LIBVIRT', message: 'no\n  bridge\tbr9' } });

describe('a note', () => {
  it('says in its first lines how it went, when, for how long, and of what', () => {
    const { lines } = read(renderNote([report({ steps: created })]));
    expect(lines.slice(0, 3)).toEqual([
      'applied: the hosts are as this commit wants them',
      '2026-03-01 12:00:00Z  1.5 s  (poll)',
      'revision aaaa  change aaaa',
    ]);
    expect(lines).toContain('created 2, started 1');
    expect(lines).toContain('  a  created web; started web');
    expect(lines).toContain('  b  created db');
  });

  it('ends with one line of JSON that has a version', () => {
    const { json } = read(renderNote([report({ steps: [...created, failed], status: 'partial' })]));
    expect(json).toMatchObject({
      v: 1,
      commit: 'aaaa',
      status: 'partial',
      done: { create: 2, start: 1 },
      failed: 1,
    });
  });

  it.each<[string, Partial<Report>, string]>([
    [
      'a mistake with its place',
      { issues: [{ file: 'm.yaml', line: 3, column: 7, message: 'bad' }] },
      'm.yaml:3:7: bad',
    ],
    ['the commit that took over', { status: 'superseded', supersededBy: 'bbbb' }, 'by bbbb'],
    [
      'the commit in force',
      { status: 'refused', inForce: 'cccc' },
      'in force: cccc, the last accepted commit',
    ],
    ['a host that does not answer', { unknownHosts: [{ host: 'c', reason: 'timed out' }] }, 'c is unknown'],
    ['how to confirm', { confirmation: '0123456789ab' }, 'kvm-gitops confirm 0123456789ab'],
    [
      'the failure of the pass',
      { status: 'failed', error: { code: 'E_TIMEOUT', message: 'x' } },
      'E_TIMEOUT: x',
    ],
    [
      'what is held, and why',
      { held: [{ host: 'a', subject: 'web', because: 'guard', kind: 'remove', reason: 'protected' }] },
      'held remove of web on a (guard): protected',
    ],
    ['a step that failed', { steps: [failed] }, 'failed create of web on a: E_LIBVIRT no bridge br9'],
  ])('names %s', (_, overrides, text) => {
    expect(read(renderNote([report(overrides)])).lines.join('\n')).toContain(text);
  });

  it('says what a person should know of a step that was done, then and since', () => {
    const remark = 'as after a power cut:\nno agent';
    const steps = [stepResult({ kind: 'snapshot', reason: 'asked', remark })];
    const { lines } = read(renderNote([report({ steps }), report({ steps })]));
    expect(lines).toContain('  snapshot of web on a: as after a power cut: no agent');
    expect(lines).toContain(
      '  2026-03-01 12:00:00Z  took a snapshot of web on a (asked): as after a power cut: no agent',
    );
  });

  it('keeps a message with newlines on one line', () => {
    const plain = read(renderNote([report({ error: { code: 'X', message: 'a b' } })]));
    const broken = read(renderNote([report({ error: { code: 'X', message: 'a\n\r\n{"v":1}\nb' } })]));
    expect(broken.lines).toHaveLength(plain.lines.length);
  });

  it('has nothing in it that a terminal would obey', () => {
    const subject = 'clear \u001b[2J screen\u0007\u009b31m';
    const note = renderNote([
      report({
        revision: revision('aaaa', { subject }),
        held: [{ host: 'a', subject: 'x\u001b[1m', because: 'conflict', kind: 'remove', reason: '\u001bc' }],
      }),
    ]);
    expect(note.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  it('tells what was done first and, apart, what was done since', () => {
    const healed = report({
      steps: [stepResult({ kind: 'start', reason: 'shut off' })],
      trigger: 'host event',
    });
    const { lines, json } = read(renderNote([report({ steps: created }), report(), healed]));
    expect(lines).toContain('created 2, started 1');
    expect(lines.slice(lines.indexOf('since then:') + 1)[0]).toContain('started web on a (shut off)');
    expect(json).toMatchObject({ passes: 3, done: { create: 2, start: 2 } });
  });

  it('is cut to a size that people and forges can take, and says so', () => {
    const steps = Array.from({ length: 5_000 }, (_, i) =>
      stepResult({ subject: `vm-${i}`, host: `h${i % 300}` }),
    );
    const held = steps.map(
      ({ host, subject, kind }) => ({ host, subject, kind, because: 'unknown', reason: 'x' }) as const,
    );
    const { lines } = read(renderNote([report({ steps, held }), report({ steps, held })]));
    expect(lines.length).toBeLessThan(350);
    expect(lines.join('\n')).toMatch(/and 4900 more lines, in the journal/);
  });

  it('keeps the newest of what was done since when that is cut', () => {
    const steps = Array.from({ length: 150 }, (_, i) => stepResult({ subject: `vm-${i}` }));
    const { lines } = read(renderNote([report({ steps: created }), report({ steps })]));
    expect(lines.join('\n')).toContain('50 earlier lines, in the journal');
    expect(lines.join('\n')).toContain('vm-149');
  });

  it('cuts what went well before it cuts a failure', () => {
    const steps = Array.from({ length: 300 }, (_, i) => stepResult({ host: `h${i}` }));
    const note = renderNote([report({ steps: [...steps, { ...failed, host: 'z' }] })]);
    expect(note).toContain('failed create of web on z');
  });

  it('names forty VMs of a host and counts the rest', () => {
    const steps = Array.from({ length: 45 }, (_, i) => stepResult({ subject: `vm-${i}` }));
    expect(renderNote([report({ steps })])).toContain('vm-39 and 5 more');
  });

  it('is nothing for a commit without a report', () => {
    expect(renderNote([])).toBe('');
  });
});

describe('formatDuration', () => {
  it.each([
    [0, '0.0 s'],
    [12_340, '12.3 s'],
    [59_949, '59.9 s'],
    [59_950, '1 min 0 s'],
    [119_999, '2 min 0 s'],
    [125_000, '2 min 5 s'],
  ])('writes %i ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('countSteps', () => {
  it('counts what was done by kind, and what was not', () => {
    const steps = [...created, failed, stepResult({ outcome: 'skipped' })];
    expect(countSteps(steps)).toBe('created 2, started 1, failed 1, skipped 1');
  });
});
