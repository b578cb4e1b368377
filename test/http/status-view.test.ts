import { describe, expect, it } from 'vitest';
import type { Mark } from '../../src/core/mark.ts';
import type { ObservedHost } from '../../src/core/observed.ts';
import { type StatusFacts, statusView } from '../../src/http/status-view.ts';
import { knownHost, observedVm, report, stepResult } from './report.ts';

const FACTS: StatusFacts = {
  version: '0.1.0',
  startedAt: new Date('2026-03-01T11:00:00Z'),
  remote: 'ssh://git@git.example/manifests.git',
  branch: 'main',
  running: false,
  notesPending: 0,
};

const MARK: Mark = {
  cluster: 'prod',
  uuid: '00000000-0000-4000-8000-000000000000',
  state: 'ready',
  file: 'vms.yaml',
  commit: 'a'.repeat(40),
  protect: false,
  volumes: [{ target: 'vda', pool: 'default', name: 'web-vda.qcow2', made: true }],
};

function view(changes: Partial<StatusFacts>) {
  return statusView({ ...FACTS, ...changes });
}

function hostsOf(hosts: readonly ObservedHost[], cluster?: string) {
  return view({ cluster, hosts: { hosts: new Map(hosts.map((host) => [host.name, host])) } }).hosts;
}

describe('statusView', () => {
  it('says of a new operator what there is to say', () => {
    expect(view({})).toEqual({
      v: 1,
      version: '0.1.0',
      startedAt: '2026-03-01T11:00:00.000Z',
      remote: 'ssh://git@git.example/manifests.git',
      branch: 'main',
      running: false,
      notesPending: 0,
      hosts: [],
    });
  });

  it('counts what was done and names what failed', () => {
    const steps = [
      stepResult(),
      stepResult({ subject: 'db' }),
      stepResult({ kind: 'start', outcome: 'failed', error: { code: 'E_LIBVIRT', message: 'no memory' } }),
      stepResult({ kind: 'start', subject: 'db', outcome: 'skipped' }),
    ];
    const { lastReport } = view({ lastReport: report({ status: 'partial', steps, confirmation: 'abc' }) });
    expect(lastReport).toMatchObject({
      status: 'partial',
      done: { create: 2 },
      skipped: 1,
      failed: [{ host: 'kvm-a', subject: 'web', kind: 'start', code: 'E_LIBVIRT', message: 'no memory' }],
      confirmation: 'abc',
    });
  });

  it('tells our VMs from others, and a tombstone when it goes', () => {
    const removed = { at: 'x', purgeAfter: '2026-03-08T00:00:00Z', commit: 'b', complete: true };
    const vms = [
      observedVm('zeta', { mark: MARK }),
      observedVm('stranger'),
      observedVm('copied', { markError: 'its mark is a copy' }),
      observedVm('foreign', { mark: { ...MARK, cluster: 'other' } }),
      observedVm('gone', { power: 'shutoff', mark: { ...MARK, state: 'tombstone', removed } }),
    ];
    expect(hostsOf([knownHost('kvm-a', vms)], 'prod')).toEqual([
      {
        kind: 'known',
        name: 'kvm-a',
        vms: [
          { name: 'copied', power: 'running', markError: 'its mark is a copy', ours: false },
          { name: 'foreign', power: 'running', ours: false },
          {
            name: 'gone',
            power: 'shutoff',
            ours: true,
            state: 'tombstone',
            purgeAfter: '2026-03-08T00:00:00Z',
          },
          { name: 'stranger', power: 'running', ours: false },
          { name: 'zeta', power: 'running', ours: true, state: 'ready' },
        ],
      },
    ]);
  });

  it('tells which VM waits for its next start, and which has its memory saved', () => {
    const pendingRestart = [
      { host: 'kvm-a', vm: 'web', reason: 'vcpus 1 -> 2', restart: 'never' as const },
      { host: 'kvm-b', vm: 'db', reason: 'vcpus 1 -> 4', restart: 'never' as const },
    ];
    const vms = [
      observedVm('web', { mark: MARK }),
      observedVm('db', { mark: MARK, power: 'shutoff', managedSave: true }),
    ];
    const { hosts, lastReport } = view({
      cluster: 'prod',
      hosts: { hosts: new Map([['kvm-a', knownHost('kvm-a', vms)]]) },
      lastReport: report({ pendingRestart }),
    });
    expect(lastReport?.pendingRestart).toEqual(pendingRestart);
    expect(hosts[0]).toMatchObject({
      vms: [
        { name: 'db', power: 'shutoff', managedSave: true },
        { name: 'web', power: 'running', pendingRestart: 'vcpus 1 -> 2' },
      ],
    });
    expect(hosts[0]?.kind === 'known' && hosts[0].vms[0]).not.toHaveProperty('pendingRestart');
  });

  it('does not claim to know whose a VM is before it knows its own cluster', () => {
    expect(hostsOf([knownHost('kvm-a', [observedVm('web', { mark: MARK })])])).toEqual([
      { kind: 'known', name: 'kvm-a', vms: [{ name: 'web', power: 'running' }] },
    ]);
  });

  it('says why a host is unknown and which VMs were there', () => {
    const host: ObservedHost = {
      kind: 'unknown',
      name: 'kvm-b',
      reason: 'no route',
      lastSeen: ['web', 'db'],
    };
    expect(hostsOf([host], 'prod')).toEqual([{ ...host, lastSeen: ['db', 'web'] }]);
  });

  it('tells a host that is offline by decree from one that does not answer', () => {
    const host: ObservedHost = { kind: 'unknown', name: 'kvm-b', reason: 'cluster.yaml', isOffline: true };
    expect(hostsOf([host], 'prod')).toEqual([
      { kind: 'unknown', name: 'kvm-b', reason: 'cluster.yaml', offline: true },
    ]);
  });

  it('shows nothing that is not named in it, and no credentials in any text', () => {
    const canary = 'cAnArY';
    const message = `fatal: https://x:${canary}@git.example/ failed`;
    const extra = { secretOfTheFuture: canary };
    const hosts: ObservedHost[] = [
      {
        ...knownHost('kvm-a', [{ ...observedVm('web', { mark: { ...MARK, ...extra } }), ...extra }]),
        ...extra,
      },
      { kind: 'unknown', name: 'kvm-b', reason: message },
    ];
    const lastReport = report({
      revision: { ...report().revision, subject: message, ...extra },
      steps: [{ ...stepResult({ outcome: 'failed', error: { code: 'E_LIBVIRT', message } }), ...extra }],
      held: [{ host: 'h', subject: 'v', because: 'guard', kind: 'remove', reason: message, ...extra }],
      issues: [{ file: 'f', line: 1, message, hint: message, ...extra }],
      unknownHosts: [{ host: 'h', reason: message, ...extra }],
      error: { code: 'E_GIT_REMOTE', message, ...extra },
      ...extra,
    });
    const facts = {
      remote: `https://x:${canary}@git.example/r.git`,
      hosts: { hosts: new Map(hosts.map((host) => [host.name, host])) },
      lastReport,
      cluster: 'prod',
      ...extra,
    };
    expect(JSON.stringify(view(facts))).not.toContain(canary);
  });
});
