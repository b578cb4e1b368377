import { describe, expect, it } from 'vitest';
import { appliedNow } from '../../src/core/applied.ts';
import { assess } from '../../src/core/assess.ts';
import type { DesiredVm } from '../../src/core/desired.ts';
import { type Freeze, freezeChange } from '../../src/core/freeze.ts';
import { type FreezeTime, formatLocal, windowAt } from '../../src/core/freeze-time.ts';
import { leftAlone, nextChange } from '../../src/core/left-alone.ts';
import type { ObservedHost } from '../../src/core/observed.ts';
import { reviewNotes } from '../../src/core/review-notes.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
} from '../builders.ts';
import { accepted, manifest, refused, repository, vm } from './repository.ts';

const BERLIN = 'Europe/Berlin';
const weekend: FreezeTime = { kind: 'repeated', timezone: BERLIN, start: '0 18 * * 5', durationMin: 60 * 60 };
const at = (text: string) => new Date(text);
const inWords = (time: FreezeTime, now: string) => {
  const window = windowAt(time, at(now));
  return window && `${window.start.toISOString()} ${window.end.toISOString()}`;
};

describe('a window that comes again', () => {
  it.each([
    ['a minute before', '2026-11-27T16:59:59Z', undefined],
    ['at its start', '2026-11-27T17:00:00Z', '2026-11-27T17:00:00.000Z 2026-11-30T05:00:00.000Z'],
    ['in its last second', '2026-11-30T04:59:59Z', '2026-11-27T17:00:00.000Z 2026-11-30T05:00:00.000Z'],
    ['at its end', '2026-11-30T05:00:00Z', undefined],
    ['in summer', '2026-07-04T00:00:00Z', '2026-07-03T16:00:00.000Z 2026-07-06T04:00:00.000Z'],
    // Clocks go forward on 2026-03-29 and back on 2026-10-25, at 01:00 UTC.
    [
      'over the night that lacks an hour, until the same hour of the morning',
      '2026-03-28T12:00:00Z',
      '2026-03-27T17:00:00.000Z 2026-03-30T04:00:00.000Z',
    ],
    ['and no longer than that', '2026-03-30T04:00:00Z', undefined],
    [
      'over the night that has an hour twice',
      '2026-10-26T04:59:59Z',
      '2026-10-23T16:00:00.000Z 2026-10-26T05:00:00.000Z',
    ],
  ])('%s: %s', (_, now, window) => {
    expect(inWords(weekend, now)).toBe(window);
  });

  it.each<[string, Partial<typeof weekend>, string, string | undefined]>([
    [
      'begins after the gap where its hour is missing',
      { start: '30 2 * * *', durationMin: 60 },
      '2026-03-29T01:00:00Z',
      '2026-03-29T01:00:00.000Z 2026-03-29T02:00:00.000Z',
    ],
    [
      'begins once where its hour comes twice',
      { start: '30 2 * * *', durationMin: 30 },
      '2026-10-25T00:45:00Z',
      '2026-10-25T00:30:00.000Z 2026-10-25T02:00:00.000Z',
    ],
    ['and not again', { start: '30 2 * * *', durationMin: 30 }, '2026-10-25T02:00:00Z', undefined],
    [
      'is one window with the next, where that begins before it ends',
      { start: '0 18 * * 5,6', durationMin: 30 * 60 },
      '2026-11-27T18:00:00Z',
      '2026-11-27T17:00:00.000Z 2026-11-29T23:00:00.000Z',
    ],
  ])('%s', (_, change, now, window) => {
    expect(inWords({ ...weekend, ...change }, now)).toBe(window);
  });
});

describe('a window that comes once', () => {
  const yearEnd: FreezeTime = {
    kind: 'once',
    timezone: BERLIN,
    from: '2026-12-20T00:00',
    to: '2027-01-06T08:00',
  };
  it.each([
    ['2026-12-19T22:59:59Z', undefined],
    ['2026-12-19T23:00:00Z', '2026-12-19T23:00:00.000Z 2027-01-06T07:00:00.000Z'],
    ['2027-01-06T07:00:00Z', undefined],
  ])('at %s', (now, window) => {
    expect(inWords(yearEnd, now)).toBe(window);
  });

  it('changes what is left alone at its start and at its end, and never again', () => {
    const freezes: Freeze[] = [{ name: 'year-end', time: yearEnd, scopes: [{}], overrun: 'finish' }];
    const change = (now: string) => freezeChange(freezes, at(now))?.toISOString();
    expect(change('2026-12-01T00:00:00Z')).toBe('2026-12-19T23:00:00.000Z');
    expect(change('2026-12-24T00:00:00Z')).toBe('2027-01-06T07:00:00.000Z');
    expect(change('2027-01-06T07:00:00Z')).toBeUndefined();
  });
});

it('shows times as the clock on the wall does', () => {
  expect(formatLocal(at('2026-11-30T05:00:00Z'), BERLIN)).toBe('Mon 2026-11-30 06:00 Europe/Berlin');
});

/** Open at NOW, 2026-03-01T12:00Z, for a day. */
const open: Freeze = {
  name: 'launch',
  time: { kind: 'once', timezone: 'UTC', from: '2026-03-01T00:00', to: '2026-03-02T00:00' },
  scopes: [{}],
  overrun: 'finish',
};

function judge(git: readonly DesiredVm[], hosts: readonly ObservedHost[], scopes: Freeze['scopes'] = [{}]) {
  const desired = desiredState(git, { policy: { freezes: [{ ...open, scopes }] } });
  const pauses = leftAlone(desired, [], NOW);
  return assess(desired, observedState(...hosts), { now: NOW, commit: COMMIT, pauses });
}

function kinds(steps: readonly { kind: string; host: string }[]): string[] {
  return steps.map(({ kind, host }) => `${kind} on ${host}`);
}

describe('in a freeze', () => {
  const web = desiredVm();
  const ready = (overrides: object = {}) => mark({ applied: appliedNow(web), ...overrides });

  it('what git brings, changes and removes waits, with the name of the freeze and its end', () => {
    const larger = desiredVm({ vcpus: 3 });
    const old = observedVm({ name: 'old', mark: mark({}, 'old') });
    const hosts = [knownHost('a', [observedVm({ mark: ready() }), old]), knownHost('b')];
    const { plan } = judge([larger, desiredVm({ name: 'db', host: 'b' })], hosts);
    expect(plan.steps).toEqual([]);
    expect(plan.held.map(({ kind, subject }) => `${kind} ${subject}`).toSorted()).toEqual([
      'create db',
      'remove old',
      'resize web',
      'start db',
    ]);
    expect(plan.held.find(({ subject }) => subject === 'web')).toMatchObject({
      because: 'frozen',
      reason: 'freeze "launch" until Mon 2026-03-02 00:00 UTC',
    });
  });

  it('a VM that stopped is started all the same', () => {
    const off = knownHost('a', [observedVm({ power: 'shutoff', mark: ready() })]);
    expect(kinds(judge([web], [off]).plan.steps)).toEqual(['start on a']);
  });

  it('one that git has switched on just now is not', () => {
    const before = appliedNow({ ...web, power: 'off' });
    const off = knownHost('a', [observedVm({ power: 'shutoff', mark: mark({ applied: before }) })]);
    expect(judge([web], [off]).plan.steps).toEqual([]);
  });

  it('one that stopped is started as it was, and its change waits', () => {
    const off = knownHost('a', [observedVm({ power: 'shutoff', mark: ready() })]);
    const { plan } = judge([desiredVm({ vcpus: 3 })], [off]);
    expect(kinds(plan.steps)).toEqual(['start on a']);
    expect(plan.held).toMatchObject([{ kind: 'resize', because: 'frozen' }]);
  });

  it('a move is not begun; one whose VM has left already is brought to its end', () => {
    const moved = desiredVm({ host: 'b' });
    const from = (overrides: object) => knownHost('a', [observedVm(overrides)]);
    expect(judge([moved], [from({ mark: ready() }), knownHost('b')]).plan.steps).toEqual([]);
    const to = { host: 'b', at: NOW.toISOString(), commit: COMMIT };
    const left = from({
      power: 'shutoff',
      autostart: false,
      mark: ready({ state: 'migrating', to }),
    });
    expect(kinds(judge([moved], [left, knownHost('b')]).plan.steps)).toEqual(['receive on b', 'start on b']);
  });

  it.each<[string, Freeze['scopes'], string[]]>([
    ['a host', [{ host: 'a' }], ['create on b', 'start on b']],
    ['a VM, wherever it is', [{ vm: 'db' }], ['create on a', 'start on a']],
    ['both', [{ host: 'a' }, { vm: 'db' }], []],
  ])('covers %s', (_, scopes, left) => {
    const git = [web, desiredVm({ name: 'db', host: 'b' })];
    expect(kinds(judge(git, [knownHost('a'), knownHost('b')], scopes).plan.steps).toSorted()).toEqual(left);
  });

  it('is said of a name that git does not have, since that protects nothing', () => {
    expect(judge([web], [knownHost('a')], [{ vm: 'wbe' }]).warnings).toEqual([
      'freeze "launch" covers wbe, and git has no VM of that name',
    ]);
  });

  it('changes by itself at the end of a suspension too, if that is sooner', () => {
    const desired = desiredState([], { policy: { freezes: [open] } });
    const until = '2026-03-01T13:00:00.000Z';
    const suspension = { scope: {}, who: 'ann', at: until, until, reason: 'x' };
    expect(nextChange(desired, [], NOW)?.toISOString()).toBe('2026-03-02T00:00:00.000Z');
    expect(nextChange(desired, [suspension], NOW)?.toISOString()).toBe(until);
  });
});

it('a reviewer is told of a freeze that a branch takes away or changes', () => {
  const other = { ...open, scopes: [{ host: 'a' }] };
  const state = (...freezes: Freeze[]) => desiredState([], { policy: { freezes } });
  expect(reviewNotes(state(open), state())).toEqual(['freeze "launch" is taken away']);
  expect(reviewNotes(state(open), state(other))).toEqual(['freeze "launch" is changed']);
  expect(reviewNotes(state(open), state(open))).toEqual([]);
});

describe('freeze in cluster.yaml', () => {
  const WEB = manifest('a.json', [vm()]);
  const cluster = (freeze: string) =>
    `cluster: lab\nhosts: {t01: }\nimages: {base: {pool: default, volume: b.qcow2}}\ndefaults: {image: base}\nfreeze:\n  - ${freeze}\n`;

  it('has windows that come again, and windows that come once', () => {
    const { policy } = accepted(
      repository(
        [WEB],
        cluster(
          `{ name: weekend, start: "0 18 * * 5", duration: 60h, timezone: ${BERLIN}, hosts: [t01], vms: [web-1], overrun: stop }\n  - { name: year-end, from: 2026-12-20T00:00, to: 2027-01-06T08:00 }`,
        ),
      ),
    );
    expect(policy.freezes).toEqual([
      { name: 'weekend', time: weekend, scopes: [{ host: 't01' }, { vm: 'web-1' }], overrun: 'stop' },
      {
        name: 'year-end',
        time: { kind: 'once', timezone: 'UTC', from: '2026-12-20T00:00', to: '2027-01-06T08:00' },
        scopes: [{}],
        overrun: 'finish',
      },
    ]);
  });

  it.each([
    ['{ name: x, start: "0 18 * * 5" }', '6:5: freeze "x": expected "start" and "duration"'],
    ['{ name: x, start: "0 18 * * 5", duration: 1h, to: 2026-12-20T00:00 }', 'freeze "x": expected "start"'],
    [
      '{ name: x, start: "61 * * * *", duration: 1h }',
      'freeze.start: "61 * * * *": Invalid value for minute',
    ],
    ['{ name: x, start: "0 0 * * * *", duration: 1h }', 'expected five fields of cron'],
    ['{ name: x, start: "0 0 31 2 *", duration: 1h }', 'freeze.start: "0 0 31 2 *" never comes'],
    ['{ name: x, start: "0 18 * * 5", duration: 60 }', 'a span with m, h or d, such as 90m'],
    ['{ name: x, start: "0 18 * * 5", duration: 32d }', 'up to 31d'],
    [
      '{ name: x, start: "0 18 * * 5", duration: 1h, timezone: Europe/Berln }',
      'freeze.timezone: "Europe/Berln" is no time zone: expected one such as Europe/Berlin',
    ],
    ['{ name: x, from: 2026-12-20, to: 2027-01-06T08:00 }', 'a local time such as 2026-12-20T18:00'],
    ['{ name: x, from: 2026-13-20T00:00, to: 2027-01-06T08:00 }', '"2026-13-20T00:00" is no time'],
    ['{ name: x, from: 2027-01-06T08:00, to: 2026-12-20T00:00 }', '2026-12-20T00:00 is not after'],
    [
      '{ name: x, start: "0 18 * * 5", duration: 1h, hosts: [t02] }',
      'freeze.hosts: no host "t02"; did you mean "t01"',
    ],
    [
      '{ name: x, start: "0 18 * * 5", duration: 1h }\n  - { name: x, start: "0 18 * * 5", duration: 1h }',
      '7:13: freeze.name: there is a freeze "x" before',
    ],
  ])('%s is refused', (freeze, message) => {
    expect(refused(repository([WEB], cluster(freeze))).join('\n')).toContain(message);
  });
});
