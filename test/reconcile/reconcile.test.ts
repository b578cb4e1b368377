import { describe, expect, it } from 'vitest';
import { WaitCutShort } from '../../src/core/asked.ts';
import { specHash } from '../../src/core/spec-hash.ts';
import { type Step, subjectOf } from '../../src/core/step.ts';
import { OperatorError } from '../../src/errors.ts';
import { Superseded } from '../../src/reconcile/superseded.ts';
import {
  desiredState,
  desiredVm,
  knownHost,
  mark,
  NOW,
  observedVm,
  pool,
  stranger,
  unknownHost,
} from '../builders.ts';
import { world } from './world.ts';

const A = 'aaaa';
const B = 'bbbb';
const web = desiredVm();
const db = desiredVm({ name: 'db', host: 'b' });
const tooLarge = desiredVm({ name: 'huge', memoryMiB: 64 * 1024, maxMemoryMiB: 64 * 1024 });

describe('a commit that can be done', () => {
  it('is accepted, applied, journalled and noted', async () => {
    const { source, hosts, journal, notes, pass } = world();
    source.commit(A, desiredState([web, db]));
    const report = await pass({ trigger: 'webhook' });
    expect(report).toMatchObject({ status: 'applied', trigger: 'webhook', held: [], issues: [] });
    expect(hosts.applied.toSorted()).toEqual([
      'create db on b',
      'create web on a',
      'start db on b',
      'start web on a',
    ]);
    expect(source.inForce).toBe(A);
    expect(journal.reports).toEqual([report]);
    expect(notes.texts.get(A)).toMatch(/^applied/);
  });

  it('is written down though there was nothing to do', async () => {
    const { source, journal, notes, pass } = world();
    source.commit(A, desiredState([]));
    expect((await pass()).status).toBe('applied');
    expect(journal.reports).toHaveLength(1);
    expect(notes.texts.has(A)).toBe(true);
  });

  it('is not written down again by passes that find nothing new', async () => {
    const { source, journal, notes, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    await pass();
    await pass();
    expect(journal.reports).toHaveLength(1);
    expect(notes.puts).toBe(1);
  });

  it('is healed when the host changes, and the note says so', async () => {
    const { source, hosts, journal, notes, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    hosts.set(knownHost('a', [observedVm({ power: 'shutoff' })]));
    expect((await pass({ trigger: 'host event' })).steps).toMatchObject([{ kind: 'start', outcome: 'done' }]);
    expect(journal.reports).toHaveLength(2);
    expect(notes.texts.get(A)).toMatch(/since then:\n.*started web on a/);
  });

  it('stays applied when a host changes and that is only to be reported', async () => {
    const { source, hosts, notes, pass } = world();
    const vm = desiredVm({ drift: 'report' });
    source.commit(A, desiredState([vm]));
    hosts.set(knownHost('a', [observedVm({ vcpus: 1, mark: mark({ spec: specHash(vm) }) })]));
    expect(await pass()).toMatchObject({
      status: 'applied',
      steps: [],
      held: [{ subject: 'web', because: 'drift', kind: 'resize', reason: 'vcpus 1 -> 2' }],
    });
    expect(notes.texts.get(A)).toMatch(/^applied; somebody has changed hosts since, which is only reported/);
  });

  it('has its images alone kept by the operator, once it is applied and as long as no other one is refused', async () => {
    const { source, hosts, cleaned, pass } = world();
    source.commit(A, desiredState([web]));
    hosts.observeError = new Error('no host is asked');
    await expect(pass()).rejects.toThrow('no host');
    hosts.observeError = undefined;
    await pass();
    expect(cleaned).toEqual(['web']);
    source.commit(B, desiredState([web, tooLarge]));
    expect((await pass()).status).toBe('refused');
    expect(cleaned).toEqual(['web']);
  });

  it('tells which commit is the newest before the hosts are asked', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web]));
    hosts.observeError = new Error('must not come first');
    const heads: string[] = [];
    await expect(pass({ onHead: (sha) => heads.push(sha) })).rejects.toThrow('must not');
    expect(heads).toEqual([A]);
  });
});

describe('a commit that cannot be done', () => {
  const issues = [{ file: 'manifests/web.yaml', line: 3, column: 7, message: 'vcpus: expected a number' }];

  it('is refused with its mistakes, and no host is touched', async () => {
    const { source, hosts, notes, pass } = world();
    source.commit(A, issues);
    expect(await pass()).toMatchObject({ status: 'refused', issues, steps: [] });
    expect(hosts.applied).toEqual([]);
    expect(source.inForce).toBeUndefined();
    expect(notes.texts.get(A)).toContain('manifests/web.yaml:3:7: vcpus: expected a number');
  });

  it('is refused for want of room, with the numbers, and no host is touched', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web, tooLarge]));
    const report = await pass();
    expect(report.status).toBe('refused');
    expect(report.issues[0]?.message).toContain('memory 66 GiB wanted, 32 GiB to give');
    expect(hosts.applied).toEqual([]);
    expect(source.inForce).toBeUndefined();
  });

  it.each([
    { name: 'mistakes', content: issues },
    { name: 'want of room', content: desiredState([tooLarge]) },
  ])(
    'for $name leaves the last accepted one in force, which is healed, and removes nothing',
    async ({ content }) => {
      const { source, hosts, notes, pass } = world();
      source.commit(A, desiredState([web]));
      await pass();
      source.commit(B, content);
      hosts.set(knownHost('a', [observedVm({ power: 'shutoff' })]));
      expect(await pass()).toMatchObject({ status: 'refused', inForce: A, revision: { sha: B } });
      expect(source.inForce).toBe(A);
      expect(hosts.applied.slice(2)).toEqual(['start web on a']);
      expect(notes.texts.get(B)).toContain(`in force: ${A}`);
    },
  );

  it('is noted once, though the numbers of the full host move', async () => {
    const { source, hosts, notes, pass } = world();
    const big = { target: 'vdb', pool: 'default', volume: 'web-vdb.qcow2', sizeGiB: 500 };
    source.commit(A, desiredState([{ ...web, dataDisks: [big] }]));
    await pass();
    hosts.set(knownHost('a', [], { pools: new Map([['default', pool({ available: 5e9 })]]) }));
    expect((await pass()).status).toBe('refused');
    expect(notes.puts).toBe(1);
  });

  it('is done once there is room', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([tooLarge]));
    await pass();
    hosts.set(knownHost('a', [], { memoryMiB: 128 * 1024 }));
    expect((await pass()).status).toBe('applied');
    expect(source.inForce).toBe(A);
  });
});

describe('a host that does not answer', () => {
  it('leaves its VMs alone, makes the commit partial, and is converged once it is back', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web, db]));
    hosts.set(unknownHost('b', []));
    const report = await pass();
    expect(report).toMatchObject({
      status: 'partial',
      unknownHosts: [{ host: 'b', reason: 'SSH timed out' }],
    });
    expect(hosts.applied).toEqual(['create web on a', 'start web on a']);
    hosts.set(knownHost('b'));
    expect((await pass()).status).toBe('applied');
    expect(hosts.applied.slice(2)).toEqual(['create db on b', 'start db on b']);
  });

  it('is not passed over when all that git wants of it is a removal', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web]));
    hosts.set(unknownHost('b', ['old']));
    expect((await pass()).status).toBe('partial');
  });

  it('does not count where git has it offline', async () => {
    const { source, hosts, pass } = world();
    const b = { ...desiredState().hosts.get('a'), name: 'b', state: 'offline' } as const;
    hosts.set(unknownHost('b', []));
    source.commit(A, desiredState([db], { hosts: [{ ...hostDefaults(), ...b }] }));
    expect((await pass()).status).toBe('applied');
    expect(hosts.applied).toEqual([]);
  });

  it('has a commit accepted all the same, and its VMs are never made elsewhere', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([db]));
    await pass();
    hosts.set(unknownHost('b', ['db']));
    source.commit(B, desiredState([{ ...db, host: 'c' }]));
    const report = await pass();
    expect(report).toMatchObject({ status: 'partial', held: [{ subject: 'db', because: 'unknown' }] });
    expect(source.inForce).toBe(B);
    expect(hosts.applied).toHaveLength(2);
  });
});

function hostDefaults() {
  return {
    pool: 'default',
    reserve: { vcpus: 0, memoryMiB: 0, diskGiB: 0 },
    ratio: { vcpu: 4, memory: 1, disk: 1 },
    pools: [],
    images: [],
  };
}

describe('a step that fails', () => {
  it('fails its VM and not the pass, and is tried again a little later', async () => {
    const { source, hosts, notes, pass, wait } = world();
    source.commit(A, desiredState([web, db]));
    hosts.beforeStep = (step) => {
      if (subjectOf(step) === 'web') throw new OperatorError('E_IMAGE_MISSING', 'no image\non a');
    };
    const report = await pass();
    expect(report.status).toBe('partial');
    expect(report.steps.map(({ kind, subject, outcome }) => `${kind} ${subject}: ${outcome}`)).toEqual([
      'create db: done',
      'start db: done',
      'create web: failed',
      'start web: skipped',
    ]);
    expect(notes.texts.get(A)).toContain('failed create of web on a: E_IMAGE_MISSING no image on a');
    hosts.beforeStep = () => {};
    wait(10);
    expect((await pass()).status).toBe('applied');
  });

  it('that was a start is not counted as one that did not stay up', async () => {
    const { source, hosts, pass, wait } = world();
    source.commit(A, desiredState([web]));
    hosts.beforeStep = (step) => {
      if (step.kind === 'start') throw new OperatorError('E_LIBVIRT', 'no');
    };
    for (let i = 0; i < 5; i++) {
      await pass();
      wait(100);
    }
    hosts.beforeStep = () => {};
    expect((await pass()).status).toBe('applied');
  });
});

describe('a change that a running VM does not take', () => {
  const live = { vcpus: 2, maxVcpus: 2, memoryMiB: 2048, maxMemoryMiB: 4096 };
  const larger = { ...web, vcpus: 4 };
  const pending = { host: 'a', vm: 'web', reason: 'vcpus 2 -> 4', restart: 'never' };

  it('is told as pending in the report that makes it, and restarted once git allows it', async () => {
    const { source, hosts, pass } = world();
    hosts.set(knownHost('a', [observedVm({ run: 1, live })]));
    source.commit(A, desiredState([larger]));
    expect(await pass()).toMatchObject({ status: 'applied', pendingRestart: [pending] });
    expect((await pass()).pendingRestart).toEqual([pending]);
    source.commit(B, desiredState([{ ...larger, restart: 'allowed' }]));
    const report = await pass();
    expect(report.steps).toMatchObject([{ kind: 'restart', outcome: 'done' }]);
    expect(report).not.toHaveProperty('pendingRestart');
    expect((await pass()).steps).toEqual([]);
  });

  it('stays pending where the restart fails, and is not called so where the resize does', async () => {
    const { source, hosts, pass } = world();
    hosts.set(knownHost('a', [observedVm({ run: 1, live })]));
    source.commit(A, desiredState([{ ...larger, restart: 'allowed' }]));
    hosts.beforeStep = ({ kind }) => {
      if (kind === 'resize') throw new OperatorError('E_LIBVIRT', 'no');
    };
    expect(await pass()).not.toHaveProperty('pendingRestart');
    source.commit(B, desiredState([{ ...larger, restart: 'allowed' }]));
    hosts.beforeStep = ({ kind }) => {
      if (kind === 'restart') throw new OperatorError('E_TIMEOUT', 'it runs on');
    };
    expect((await pass()).pendingRestart).toEqual([{ ...pending, restart: 'allowed' }]);
  });
});

describe('a newer commit', () => {
  it('stops the pass at the next step, and its note says which commit took over', async () => {
    const { source, hosts, notes, pass } = world();
    source.commit(A, desiredState([web]));
    const abort = new AbortController();
    hosts.beforeStep = () => abort.abort(new Superseded(B));
    const report = await pass({ signal: abort.signal });
    expect(report).toMatchObject({ status: 'superseded', supersededBy: B });
    expect(hosts.applied).toEqual(['create web on a']);
    expect(notes.texts.get(A)).toMatch(/^superseded/);
  });

  it('does not wait for a guest that does not stop, which is waited for by the next pass from where this one stopped', async () => {
    const { source, hosts, notes, pass } = world();
    const asked = { run: 3, firstMs: 10, lastMs: 20, times: 2 };
    const abort = new AbortController();
    const seen: Step[] = [];
    const off = { ...web, power: 'off' as const };
    source.commit(A, desiredState([web]));
    await pass();
    source.commit(B, desiredState([off]));
    hosts.beforeStep = (step) => {
      seen.push(step);
      abort.abort(new Superseded('cccc'));
      throw new WaitCutShort(asked);
    };
    expect(await pass({ signal: abort.signal })).toMatchObject({
      status: 'superseded',
      steps: [{ kind: 'stop', outcome: 'skipped' }],
    });
    expect(notes.texts.get(B)).toMatch(/^superseded/);
    source.commit('cccc', desiredState([off, db]));
    hosts.beforeStep = (step) => void seen.push(step);
    expect((await pass()).status).toBe('applied');
    expect(seen.filter(({ kind }) => kind === 'stop')).toMatchObject([
      { kind: 'stop' },
      { kind: 'stop', asked },
    ]);
  });

  it('that comes while the hosts are asked is no failure of the older one', async () => {
    const { source, journal, pass } = world();
    source.commit(A, desiredState([web]));
    const abort = new AbortController();
    abort.abort(new Superseded(B));
    await expect(pass({ signal: abort.signal })).rejects.toThrow(`superseded by ${B}`);
    expect(journal.reports).toMatchObject([{ status: 'superseded', supersededBy: B }]);
  });

  it('gives those between it and the last pass a note each, once', async () => {
    const { source, notes, pass } = world();
    source.commit(A, desiredState([]));
    await pass();
    source.commit('b1', []);
    source.commit('b2', desiredState([web]));
    source.commit('cccc', desiredState([]));
    await pass();
    await pass();
    for (const sha of ['b1', 'b2']) expect(notes.texts.get(sha)).toMatch(/^superseded[^]*by cccc/);
    expect(notes.puts).toBe(4);
  });
});

describe('a removal that the guards hold', () => {
  async function emptied() {
    const all = world();
    all.source.commit(A, desiredState([web]));
    await all.pass();
    all.source.commit(B, desiredState([]));
    return { ...all, report: await all.pass() };
  }

  it('waits, and the note says how to confirm it', async () => {
    const { hosts, notes, report } = await emptied();
    expect(report).toMatchObject({
      status: 'partial',
      held: [{ because: 'guard', kind: 'remove', subject: 'web' }],
    });
    expect(hosts.applied).toHaveLength(2);
    expect(notes.texts.get(B)).toContain(`kvm-gitops confirm ${report.confirmation}`);
  });

  it('is done once it is confirmed, and another confirmation does not do it', async () => {
    const { hosts, confirmed, pass, report } = await emptied();
    confirmed.add('0123456789ab');
    expect((await pass()).status).toBe('partial');
    confirmed.add(report.confirmation ?? '');
    expect((await pass()).status).toBe('applied');
    expect(hosts.applied.at(-1)).toBe('remove web on a');
  });

  it('is not done by a confirmation that was given, and was no longer needed, before', async () => {
    const { source, hosts, confirmed, pass, report } = await emptied();
    source.commit('cccc', desiredState([web]));
    confirmed.add(report.confirmation ?? '');
    await pass();
    source.commit('dddd', desiredState([]));
    expect(await pass()).toMatchObject({ status: 'partial', held: [{ because: 'guard' }] });
    expect(hosts.applied).not.toContain('remove web on a');
  });

  it('is not done by the confirmation of an earlier removal once the VM has come back', async () => {
    const { source, hosts, confirmed, pass, report } = await emptied();
    confirmed.add(report.confirmation ?? '');
    await pass();
    source.commit('cccc', desiredState([web]));
    await pass();
    expect(hosts.applied.slice(-2)).toEqual(['restore web on a', 'start web on a']);
    source.commit('dddd', desiredState([]));
    expect(await pass()).toMatchObject({ status: 'partial', held: [{ because: 'guard' }] });
  });
});

describe('a pass that breaks', () => {
  it('is recorded as failed, and throws on', async () => {
    const { source, hosts, journal, notes, pass } = world();
    source.commit(A, desiredState([web]));
    hosts.observeError = new TypeError('a bug');
    await expect(pass()).rejects.toThrow('a bug');
    expect(journal.reports).toMatchObject([
      { status: 'failed', error: { code: 'E_UNEXPECTED', message: 'a bug' } },
    ]);
    expect(notes.texts.get(A)).toMatch(/^failed/);
    expect(source.inForce).toBeUndefined();
  });

  it('because git is down still heals to the commit in force', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    source.fetchError = new OperatorError('E_GIT_REMOTE', 'connection refused');
    hosts.set(knownHost('a', [observedVm({ power: 'shutoff' })]));
    await expect(pass()).rejects.toThrow('connection refused');
    expect(hosts.applied.at(-1)).toBe('start web on a');
  });

  it('because the newest commit is too large refuses that commit and heals to the one in force', async () => {
    const { source, hosts, notes, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    source.fetchError = new OperatorError('E_GIT_LIMIT', 'too large', {
      context: { sha: B, subject: 'big' },
    });
    hosts.set(knownHost('a', [observedVm({ power: 'shutoff' })]));
    expect(await pass()).toMatchObject({ status: 'refused', revision: { sha: B }, inForce: A });
    expect(hosts.applied.at(-1)).toBe('start web on a');
    expect(notes.texts.get(B)).toContain('too large');
  });
});

describe('a host that became too full for the commit in force', () => {
  it('gets no new VM, and the commit is partial and not refused', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web]));
    await source.accept(A);
    hosts.set(knownHost('a', [stranger({ memoryMiB: 31 * 1024, maxMemoryMiB: 31 * 1024 })]));
    expect(await pass()).toMatchObject({
      status: 'partial',
      issues: [],
      held: [
        { because: 'capacity', kind: 'create' },
        { because: 'capacity', kind: 'start' },
      ],
    });
    expect(hosts.applied).toEqual([]);
  });
});

describe('a VM that keeps stopping', () => {
  it('is started three times, then waits, and the report says so', async () => {
    const { source, hosts, pass } = world();
    source.commit(A, desiredState([web]));
    await source.accept(A);
    const crashed = knownHost('a', [observedVm({ power: 'shutoff', mark: mark() })]);
    for (let i = 0; i < 4; i++) {
      hosts.set(crashed);
      await pass();
    }
    expect(hosts.applied).toEqual(['start web on a', 'start web on a', 'start web on a']);
    hosts.set(crashed);
    expect(await pass()).toMatchObject({ status: 'partial', held: [{ because: 'restarts', kind: 'start' }] });
  });
});

describe('what people tell the operator', () => {
  const inAnHour = new Date(NOW.getTime() + 3_600_000).toISOString();
  const suspension = {
    scope: { host: 'a' },
    who: 'ann',
    at: NOW.toISOString(),
    until: inAnHour,
    reason: 'new disks',
  };

  it('holds a suspended host, has the note say so, and does what waited once the time is over', async () => {
    const { source, hosts, notes, control, pass, wait } = world();
    source.commit(A, desiredState([web, db]));
    control.standing = [suspension];
    expect(await pass()).toMatchObject({
      status: 'partial',
      suspensions: [suspension],
      held: [{ because: 'suspended' }, { because: 'suspended' }],
    });
    expect(hosts.applied).toEqual(['create db on b', 'start db on b']);
    expect(source.inForce).toBe(A);
    expect(notes.texts.get(A)).toContain('a is suspended by ann until 2026-03-01 13:00:00Z: new disks');
    wait(3600);
    expect((await pass()).status).toBe('applied');
    expect(hosts.applied).toHaveLength(4);
  });

  it('is heard in the middle of a pass: what is begun is finished, and nothing else begins there', async () => {
    const { source, hosts, control, pass } = world();
    source.commit(A, desiredState([web, db]));
    hosts.beforeStep = ({ kind }) => {
      if (kind === 'create') control.standing = [suspension];
    };
    const { status, steps } = await pass();
    expect(status).toBe('partial');
    expect(hosts.applied.filter((step) => step.endsWith('on a'))).toEqual(['create web on a']);
    expect(steps.find(({ kind, host }) => kind === 'start' && host === 'a')).toMatchObject({
      outcome: 'skipped',
    });
  });

  it('stands once in the journal and in the note, though the pass had nothing to do', async () => {
    const { source, journal, notes, control, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    const { scope, who, at } = suspension;
    control.untold.set('1', { kind: 'resume', who, at, scope });
    await pass();
    await pass();
    expect(journal.reports).toHaveLength(2);
    expect(journal.reports[1]).toMatchObject({ steps: [], orders: [{ kind: 'resume' }] });
    expect(notes.texts.get(A)).toMatch(/orders:\n {2}2026-03-01 12:00:00Z {2}ann resumed a\n/);
  });

  it('is told with the refused commit where there is one, and not twice', async () => {
    const { source, journal, control, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    source.commit(B, desiredState([tooLarge]));
    control.untold.set('1', { kind: 'confirm', who: 'ann', at: NOW.toISOString(), hash: 'abcdef012345' });
    await pass();
    const telling = journal.reports.filter(({ orders }) => orders !== undefined);
    expect(telling.map(({ revision }) => revision.sha)).toEqual([B]);
    expect(control.untold.size).toBe(0);
  });

  it('who asks for a pass is answered by one that began after that, and that no newer commit cut short', async () => {
    const { source, hosts, journal, control, pass } = world();
    const order = { kind: 'reconcile', who: 'ann', at: NOW.toISOString(), id: 'x' } as const;
    source.commit(A, desiredState([web, db]));
    hosts.beforeStep = () => {
      control.untold.set('x', order);
    };
    await pass();
    expect(journal.reports[0]?.orders).toBeUndefined();
    const abort = new AbortController();
    abort.abort(new Superseded(B));
    await expect(pass({ signal: abort.signal })).rejects.toThrow('superseded');
    expect(control.untold.size).toBe(1);
    const answer = await pass();
    expect(answer.orders).toEqual([order]);
    expect(control.untold.size).toBe(0);
  });

  it('is told in the pass that holds the commit in force where the remote does not answer', async () => {
    const { source, control, pass } = world();
    source.commit(A, desiredState([web]));
    await pass();
    source.fetchError = new OperatorError('E_GIT_REMOTE', 'away');
    control.untold.set('1', { kind: 'resume', who: 'ann', at: NOW.toISOString(), scope: {} });
    await expect(pass()).rejects.toThrow('away');
    expect(control.untold.size).toBe(0);
  });
});
