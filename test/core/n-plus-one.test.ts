import { describe, expect, it } from 'vitest';
import { assess } from '../../src/core/assess.ts';
import type { DesiredVm, HostPolicy, Policy } from '../../src/core/desired.ts';
import { hostLosses } from '../../src/core/n-plus-one.ts';
import type { ObservedVm } from '../../src/core/observed.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  hostPolicy,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
} from '../builders.ts';

/** Hosts `a`, `b` and `c` of 32 GiB each, with the VMs of git; `there`: those that run already. */
function judge(
  git: readonly DesiredVm[],
  {
    there = [],
    policy,
    hosts = [],
  }: { there?: readonly string[]; policy?: Partial<Policy>; hosts?: readonly HostPolicy[] } = {},
) {
  const found = (host: string): ObservedVm[] =>
    git
      .filter((vm) => vm.host === host && there.includes(vm.name))
      .map(({ name, uuid, memoryMiB }) =>
        observedVm({ name, uuid, memoryMiB, maxMemoryMiB: memoryMiB, mark: mark({}, name) }),
      );
  const desired = desiredState(git, { policy: { nPlusOne: 'error', ...policy }, hosts });
  const observed = observedState(...['a', 'b', 'c'].map((host) => knownHost(host, found(host))));
  return { desired, observed, assessment: assess(desired, observed, { now: NOW, commit: COMMIT }) };
}

const vm = (name: string, host: string, memoryGiB: number, more: Partial<DesiredVm> = {}) =>
  desiredVm({ name, host, memoryMiB: memoryGiB * 1024, maxMemoryMiB: memoryGiB * 1024, ...more });

const messages = (judged: ReturnType<typeof judge>) =>
  judged.assessment.shortages.map(({ message }) => message);

describe('the loss of a host', () => {
  it('is none where its VMs fit on the others, spread over them', () => {
    const git = [vm('a1', 'a', 16), vm('a2', 'a', 16), vm('b1', 'b', 16), vm('c1', 'c', 16)];
    const { desired, observed, assessment } = judge(git);
    expect(assessment.shortages).toEqual([]);
    expect(hostLosses(desired, observed, assessment.capacity)).toEqual([
      { host: 'a', homeless: [] },
      { host: 'b', homeless: [] },
      { host: 'c', homeless: [] },
    ]);
  });

  it('refuses a commit that leaves VMs without a place, and names them', () => {
    const git = [vm('a1', 'a', 20), vm('b1', 'b', 20), vm('c1', 'c', 20)];
    expect(messages(judge(git))).toContain(
      'were host a lost, the others would have no room for a1 (policy.nPlusOne)',
    );
  });

  it('only warns where the policy says so, and is silent by default', () => {
    const git = [vm('a1', 'a', 20), vm('b1', 'b', 20), vm('c1', 'c', 20)];
    const warned = judge(git, { policy: { nPlusOne: 'warn' } }).assessment;
    expect(warned.shortages).toEqual([]);
    expect(warned.warnings).toHaveLength(3);
    const ignored = judge(git, { policy: { nPlusOne: 'ignore' } }).assessment;
    expect([ignored.shortages, ignored.warnings]).toEqual([[], []]);
  });

  it('does not refuse what does not make it worse', () => {
    const git = [vm('a1', 'a', 20), vm('b1', 'b', 20), vm('c1', 'c', 20)];
    expect(messages(judge(git, { there: ['a1', 'b1', 'c1'] }))).toEqual([]);
  });

  it('counts disks at full size, anti-affinity, and no host that is drained', () => {
    const disk = { target: 'vdb', pool: 'default', volume: 'a1-vdb.qcow2', sizeGiB: 90 };
    expect(messages(judge([vm('a1', 'a', 1, { dataDisks: [disk] }), vm('b1', 'b', 1)]))).not.toEqual([]);
    const apart = { antiAffinity: ['db'] };
    const git = [vm('a1', 'a', 1, apart), vm('b1', 'b', 1, apart), vm('c1', 'c', 1, apart)];
    expect(messages(judge(git))).toHaveLength(3);
    const hosts = [hostPolicy('b', { state: 'drained' }), hostPolicy('c', { state: 'drained' })];
    expect(messages(judge([vm('a1', 'a', 1)], { hosts }))).toHaveLength(1);
  });
});

describe('a drained host', () => {
  const hosts = [hostPolicy('b', { state: 'drained' })];

  it('refuses a VM that would be new there', () => {
    expect(messages(judge([vm('b1', 'b', 1)], { hosts, policy: { nPlusOne: 'ignore' } }))).toEqual([
      'host b is drained (cluster.yaml), and b1 would be new there: put it under another host',
    ]);
  });

  it('keeps the VMs that are there', () => {
    const { assessment } = judge([vm('b1', 'b', 1)], {
      hosts,
      there: ['b1'],
      policy: { nPlusOne: 'ignore' },
    });
    expect(assessment.shortages).toEqual([]);
  });
});
