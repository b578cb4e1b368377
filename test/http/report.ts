import type { KnownHost, ObservedVm } from '../../src/core/observed.ts';
import type { Report, StepResult } from '../../src/core/report.ts';

/** A report in which nothing happened; `changes` says what did. */
export function report(changes: Partial<Report> = {}): Report {
  return {
    v: 1,
    revision: { sha: 'a'.repeat(40), subject: 'Add web', author: 'Ann', date: '2026-03-01T12:00:00Z' },
    status: 'applied',
    startedAt: '2026-03-01T12:00:00.000Z',
    durationMs: 1500,
    trigger: 'poll',
    steps: [],
    held: [],
    issues: [],
    unknownHosts: [],
    ...changes,
  };
}

/** A step that was done. */
export function stepResult(changes: Partial<StepResult> = {}): StepResult {
  return {
    host: 'kvm-a',
    subject: 'web',
    kind: 'create',
    reason: 'in git, not on the host',
    outcome: 'done',
    durationMs: 10,
    ...changes,
  };
}

/** A running VM without a mark. */
export function observedVm(name: string, changes: Partial<ObservedVm> = {}): ObservedVm {
  return {
    name,
    uuid: '00000000-0000-4000-8000-000000000000',
    power: 'running',
    managedSave: false,
    persistent: true,
    autostart: true,
    vcpus: 1,
    memoryMiB: 512,
    maxMemoryMiB: 512,
    macs: [],
    nics: [],
    disks: [],
    ...changes,
  };
}

/** A host that answered. */
export function knownHost(name: string, vms: readonly ObservedVm[]): KnownHost {
  return {
    kind: 'known',
    name,
    cpus: 4,
    memoryMiB: 8192,
    virtType: 'kvm',
    arch: 'x86_64',
    pools: new Map(),
    volumes: new Map(),
    vms,
  };
}
