import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { ObservedHost } from '../../src/core/observed.ts';
import type { Held } from '../../src/core/step.ts';
import { createMetrics } from '../../src/http/metrics.ts';
import { knownHost, observedVm, report, stepResult } from './report.ts';

function create() {
  const registry = new Registry();
  const metrics = createMetrics(registry);
  /** Lines of the exposition that are of this metric, without comments. */
  const lines = async (name: string) =>
    (await registry.metrics()).split('\n').filter((line) => line.startsWith(`kvm_gitops_${name}`));
  const value = async (series: string) =>
    (await lines(series))
      .find((line) => line.startsWith(`kvm_gitops_${series} `))
      ?.split(' ')
      .at(-1);
  return { metrics, lines, value };
}

function state(...hosts: readonly ObservedHost[]) {
  return { hosts: new Map(hosts.map((host) => [host.name, host])) };
}

describe('createMetrics', () => {
  it('counts passes by status and times them', async () => {
    const { metrics, value } = create();
    metrics.onProgress({ kind: 'recorded', report: report({ durationMs: 1500 }), news: true, isHead: true });
    metrics.onProgress({ kind: 'recorded', report: report({ status: 'refused' }), news: true, isHead: true });
    expect(await value('passes_total{status="applied"}')).toBe('1');
    expect(await value('passes_total{status="refused"}')).toBe('1');
    expect(await value('passes_total{status="failed"}')).toBe('0');
    expect(await value('pass_duration_seconds_sum{status="applied"}')).toBe('1.5');
  });

  it('tells why the newest commit is refused, also while passes hold the one in force', async () => {
    const { metrics, value } = create();
    const record = (changes: Parameters<typeof report>[0], isHead = true) =>
      metrics.onProgress({ kind: 'recorded', report: report(changes), news: false, isHead });
    const error = { code: 'E_GIT_REWIND', message: 'rewritten' };
    record({ status: 'refused', error });
    record({}, false);
    expect(await value('refused{because="rewind"}')).toBe('1');
    record({ status: 'refused', error: { ...error, code: 'E_GIT_SIGNATURE' } });
    expect(await value('refused{because="signature"}')).toBe('1');
    record({ status: 'refused' });
    record({}, false);
    expect(await value('refused{because="rewind"}')).toBe('0');
    expect(await value('refused{because="manifests"}')).toBe('1');
    record({});
    expect(await value('refused{because="manifests"}')).toBe('0');
  });

  it('counts steps by kind and outcome', async () => {
    const { metrics, value } = create();
    const steps = [
      stepResult(),
      stepResult({ subject: 'db' }),
      stepResult({ kind: 'start', outcome: 'skipped' }),
    ];
    metrics.onProgress({ kind: 'recorded', report: report({ steps }), news: true, isHead: true });
    expect(await value('steps_total{kind="create",outcome="done"}')).toBe('2');
    expect(await value('steps_total{kind="start",outcome="skipped"}')).toBe('1');
  });

  it('takes only an applied pass for a success, at its end', async () => {
    const { metrics, value } = create();
    metrics.onProgress({ kind: 'recorded', report: report({ status: 'partial' }), news: true, isHead: true });
    expect(await value('last_success_timestamp_seconds')).toBe('0');
    metrics.onProgress({
      kind: 'recorded',
      news: true,
      isHead: true,
      report: report({ startedAt: '1970-01-01T00:01:00Z', durationMs: 500 }),
    });
    expect(await value('last_success_timestamp_seconds')).toBe('60.5');
  });

  it('shows what the newest plan holds back, and forgets the one before', async () => {
    const { metrics, value } = create();
    const held: Held = { host: 'h', subject: 'v', because: 'guard', kind: 'remove', reason: 'protected' };
    const { revision } = report();
    metrics.onProgress({
      kind: 'planned',
      cluster: 'lab',
      revision,
      plan: { steps: [], held: [held, held] },
    });
    expect(await value('held{because="guard"}')).toBe('2');
    metrics.onProgress({ kind: 'planned', cluster: 'lab', revision, plan: { steps: [], held: [] } });
    expect(await value('held{because="guard"}')).toBe('0');
  });

  it('says which hosts are up and how many VMs they have in each state', async () => {
    const { metrics, lines, value } = create();
    const vms = [observedVm('a'), observedVm('b'), observedVm('c', { power: 'shutoff' })];
    metrics.observed(state(knownHost('kvm-a', vms), { kind: 'unknown', name: 'kvm-b', reason: 'cut' }));
    expect(await value('host_up{host="kvm-a"}')).toBe('1');
    expect(await value('host_up{host="kvm-b"}')).toBe('0');
    expect(await value('vms{host="kvm-a",state="running"}')).toBe('2');
    expect(await value('vms{host="kvm-a",state="paused"}')).toBe('0');
    expect((await lines('vms')).filter((line) => line.includes('kvm-b'))).toEqual([]);
  });

  it('tells a host that cluster.yaml has offline from one that should answer', async () => {
    const { metrics, lines } = create();
    const [a, b] = ['kvm-a', 'kvm-b'].map((name) => ({ kind: 'unknown' as const, name, reason: 'cut' }));
    if (a !== undefined && b !== undefined) metrics.observed(state({ ...a, isOffline: true }, b));
    expect(await lines('host_offline')).toEqual([
      'kvm_gitops_host_offline{host="kvm-a"} 1',
      'kvm_gitops_host_offline{host="kvm-b"} 0',
    ]);
  });

  it('forgets a host that is no longer there, and the VMs of one that became unknown', async () => {
    const { metrics, lines } = create();
    metrics.observed(state(knownHost('kvm-a', [observedVm('a')]), knownHost('kvm-b', [])));
    metrics.observed(state({ kind: 'unknown', name: 'kvm-a', reason: 'cut' }));
    expect(await lines('host_up')).toEqual(['kvm_gitops_host_up{host="kvm-a"} 0']);
    expect(await lines('vms')).toEqual([]);
  });

  it('follows notes and fetches', async () => {
    const { metrics, value } = create();
    metrics.notesPending(3);
    metrics.notesPushFailed();
    metrics.gitFetched(250, 'done');
    metrics.gitFetched(1000, 'failed');
    expect(await value('notes_pending')).toBe('3');
    expect(await value('notes_push_failures_total')).toBe('1');
    expect(await value('git_fetch_duration_seconds_sum{outcome="done"}')).toBe('0.25');
    expect(await value('git_fetch_duration_seconds_count{outcome="failed"}')).toBe('1');
  });

  it('shares nothing between two registries, and has the process in each', async () => {
    const [one, two] = [create(), create()];
    one.metrics.notesPushFailed();
    expect(await two.value('notes_push_failures_total')).toBe('0');
    expect(await two.lines('process_cpu_seconds_total')).toHaveLength(1);
  });
});
