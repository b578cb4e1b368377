import { describe, expect, it } from 'vitest';
import type { Scope } from '../../src/core/pause.ts';
import type { Order } from '../../src/core/suspension.ts';
import { linesAbout, vmChange, vmRecord } from '../../src/core/vm-history.ts';
import { desiredSeed, desiredVm, report, stepResult } from '../builders.ts';

const WEB = { vm: 'web', host: 'a' };

describe('how a commit changes a VM', () => {
  it.each([
    ['adds it', undefined, desiredVm(), { kind: 'added', fields: [] }],
    ['removes it', desiredVm(), undefined, { kind: 'removed', fields: [] }],
    ['is about others', undefined, undefined, undefined],
    ['leaves it', desiredVm(), desiredVm({ source: { file: 'manifests/other.yaml', line: 9 } }), undefined],
    ['moves it', desiredVm(), desiredVm({ host: 'b' }), { kind: 'moved', fields: ['host a -> b'] }],
    [
      'changes plain fields, and others',
      desiredVm({ title: 'Web' }),
      desiredVm({ vcpus: 4, dependsOn: ['db'] }),
      { kind: 'changed', fields: ['dependsOn', 'title Web -> (none)', 'vcpus 2 -> 4'] },
    ],
    [
      'changes what its seed says, which nobody is shown',
      desiredVm({ seed: desiredSeed({ motd: 'one' }) }),
      desiredVm({ seed: desiredSeed({ motd: 'two' }) }),
      { kind: 'changed', fields: ['seed'] },
    ],
  ])('%s', (_what, before, after, change) => {
    const found = vmChange(before, after);
    expect(found && { ...found, fields: found.fields.toSorted() }).toEqual(change);
  });
});

describe('what the reports of a commit say of a VM', () => {
  it('is each step of it, with its pass, and what the last pass holds', () => {
    const held = { host: 'a', subject: 'web', because: 'retry', kind: 'start', reason: 'later' } as const;
    const reports = [
      report({ steps: [stepResult(), stepResult({ subject: 'db' })], held: [held] }),
      report({
        status: 'partial',
        startedAt: '2026-03-02T00:00:00.000Z',
        trigger: 'drift',
        steps: [
          stepResult({ kind: 'start', outcome: 'failed', error: { code: 'E_LIBVIRT', message: 'no' } }),
        ],
        held: [held, { ...held, subject: 'db' }],
      }),
    ];
    expect(vmRecord(reports, WEB)).toEqual({
      status: 'partial',
      deeds: [
        expect.objectContaining({ kind: 'create', outcome: 'done', trigger: 'poll' }),
        expect.objectContaining({
          kind: 'start',
          at: '2026-03-02T00:00:00.000Z',
          error: { code: 'E_LIBVIRT', message: 'no' },
        }),
      ],
      held: [held],
      orders: [],
    });
    expect(vmRecord([], WEB)).toBeUndefined();
  });

  it('is what people said of leaving it alone, its host or everything; not of others', () => {
    const order = (kind: 'suspend' | 'resume', scope: Scope): Order => ({
      kind,
      scope,
      who: 'ann',
      at: '2026-03-02T00:00:00.000Z',
    });
    const about = [
      order('suspend', { host: 'a' }),
      order('resume', {}),
      order('suspend', { host: 'b', vm: 'web' }),
    ];
    const others = [
      order('suspend', { host: 'b' }),
      order('suspend', { host: 'a', vm: 'db' }),
      { kind: 'confirm', who: 'ann', at: '', hash: 'abc' } as const,
    ];
    expect(vmRecord([report({ orders: [...others, ...about] })], WEB)?.orders).toEqual(about);
  });
});

describe('lines of a note about a VM', () => {
  it.each([
    ['  t01  created web-1, web-10; started web-1', true],
    ['  failed create of web-1 on t01: E_LIBVIRT no', true],
    ['  t01  created web-10, my-web-1, web-1.x', false],
    ['web-1 in the subject', false],
    ['{"v":1,"vm":" web-1 "}', false],
  ])('%s: %s', (line, isAbout) => {
    expect(linesAbout(`applied\n${line}\n`, 'web-1')).toEqual(isAbout ? [line.trim()] : []);
  });
});
