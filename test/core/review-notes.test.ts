import { describe, expect, it } from 'vitest';
import { reviewNotes, vmChanges } from '../../src/core/review-notes.ts';
import { desiredSeed, desiredState, desiredVm, hostPolicy } from '../builders.ts';

describe('what a reviewer should look at', () => {
  it.each([
    ['nothing, when nothing is loosened', {}, []],
    ['a policy', { policy: { maxRemovals: 99 } }, ['policy: maxRemovals 5 -> 99']],
    [
      'a host that is to give more than before',
      { hosts: [hostPolicy('a', { state: 'drained', ratio: { vcpu: 16, memory: 1, disk: 1 } })] },
      ['a: state active -> drained', 'a: ratio: vcpu 4 -> 16'],
    ],
  ] as const)('is %s', (_what, changes, notes) => {
    expect(reviewNotes(desiredState([desiredVm()]), desiredState([desiredVm()], changes))).toEqual(notes);
  });

  it('is a VM that loses its protection', () => {
    const base = desiredState([desiredVm({ protect: true }), desiredVm({ name: 'db', protect: true })]);
    const merged = desiredState([desiredVm(), desiredVm({ name: 'db', protect: true })]);
    expect(reviewNotes(base, merged)).toEqual(['web: protect is taken away']);
  });
});

describe('how the VMs of two states differ', () => {
  it('is told of what cloud-init is to say, too', () => {
    const [base, merged] = ['one', 'two'].map((motd) =>
      desiredState([desiredVm({ seed: desiredSeed({ motd }) })]),
    );
    expect(base && merged && vmChanges(base, merged).changed).toEqual(['web']);
  });

  it('is told by name, and where a VM stands in its file makes no difference', () => {
    const base = desiredState(['web', 'db', 'log', 'old'].map((name) => desiredVm({ name })));
    const merged = desiredState([
      desiredVm({ name: 'web', source: { file: 'manifests/other.yaml', line: 99 } }),
      desiredVm({ name: 'db', host: 'b' }),
      desiredVm({ name: 'log', vcpus: 8 }),
      desiredVm({ name: 'new' }),
    ]);
    expect(vmChanges(base, merged)).toEqual({
      added: ['new'],
      removed: ['old'],
      moved: ['db'],
      changed: ['log'],
    });
    expect(vmChanges(undefined, merged).added).toHaveLength(4);
  });
});
