import { describe, expect, it } from 'vitest';
import { pendingRestarts, sizeChange } from '../../src/core/size.ts';
import { desiredState, desiredVm, knownHost, observedState, observedVm, unknownHost } from '../builders.ts';

const git = { vcpus: 2, memoryMiB: 2048, maxMemoryMiB: 4096 };

describe('sizeChange', () => {
  it('is undefined where nothing changes', () => {
    expect(sizeChange(git, git)).toBeUndefined();
  });

  it('names each number that changes', () => {
    expect(sizeChange(git, { vcpus: 4, memoryMiB: 1024, maxMemoryMiB: 4096 })).toBe(
      'vcpus 2 -> 4, memory MiB 2048 -> 1024',
    );
  });
});

describe('pendingRestarts', () => {
  const running = { ...git, maxVcpus: 2 };
  const { vms } = desiredState([desiredVm()]);
  const waiting = (live: typeof running) =>
    pendingRestarts(vms, observedState(knownHost('a', [observedVm({ live })])));

  it.each([
    { name: 'fewer processors', live: { ...running, vcpus: 1, maxVcpus: 1 }, reason: 'vcpus 1 -> 2' },
    {
      name: 'another maximum',
      live: { ...running, maxMemoryMiB: 2048 },
      reason: 'max memory MiB 2048 -> 4096',
    },
  ])('names a VM that runs with $name', ({ live, reason }) => {
    expect(waiting(live)).toEqual([{ host: 'a', vm: 'web', reason, restart: 'never' }]);
  });

  it.each([
    { name: 'runs as git has it', live: running },
    { name: 'uses more of its maximum: that is the balloon', live: { ...running, memoryMiB: 4096 } },
  ])('names none that $name', ({ live }) => {
    expect(waiting(live)).toEqual([]);
  });

  it('says nothing of VMs that are off, not in git, or on a host that does not answer', () => {
    const live = { ...running, vcpus: 1 };
    const alien = observedVm({ name: 'alien', live });
    expect(
      pendingRestarts(vms, observedState(knownHost('a', [observedVm(), alien]), unknownHost('b'))),
    ).toEqual([]);
  });
});
