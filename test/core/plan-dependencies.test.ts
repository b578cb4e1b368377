import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import type { ObservedHost, ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { stepId } from '../../src/core/step.ts';
import {
  adoptedVm,
  COMMIT,
  desiredState,
  desiredVm,
  inWords,
  knownHost,
  mark,
  NOW,
  observedState,
  observedVm,
  stranger,
  unknownHost,
} from '../builders.ts';

const db = desiredVm({ name: 'db', host: 'b' });
const web = desiredVm({ name: 'web', host: 'a', dependsOn: ['db'] });

/** As git has it, but that some marks know of a dependency. */
function seen(name: string, change: Partial<ObservedVm> = {}, dependsOn: readonly string[] = []): ObservedVm {
  const known = mark(dependsOn.length === 0 ? {} : { dependsOn }, name);
  return observedVm({ name, mark: known, ...change });
}
const off = { power: 'shutoff' } as const;
const live = { vcpus: 1, maxVcpus: 1, memoryMiB: 2048, maxMemoryMiB: 4096 };

function planFor(git: readonly DesiredVm[], ...hosts: readonly ObservedHost[]) {
  return plan(desiredState(git), observedState(...hosts), { now: NOW, commit: COMMIT });
}

/** Each step with what it waits for. */
function orders(...input: Parameters<typeof planFor>): string[] {
  return planFor(...input).steps.map((step) =>
    [stepId(step), ...(step.after ?? []).map((id) => `after ${id}`)].join(' '),
  );
}

describe('dependsOn', () => {
  it('starts a VM after what it depends on, across hosts', () => {
    const hosts = [knownHost('a', [seen('web', off, ['db'])]), knownHost('b', [seen('db', off)])];
    expect(orders([web, db], ...hosts)).toEqual(['start b/db', 'start a/web after start b/db']);
  });

  it('makes disks at once and lets only the start wait', () => {
    expect(orders([web, db], knownHost('a'), knownHost('b'))).toEqual([
      'create b/db',
      'start b/db',
      'create a/web',
      'start a/web after start b/db',
    ]);
  });

  it('waits for nothing where the dependency runs', () => {
    const hosts = [knownHost('a', [seen('web', off, ['db'])]), knownHost('b', [seen('db')])];
    expect(orders([web, db], ...hosts)).toEqual(['start a/web']);
  });

  it('waits for nothing where the dependency runs and is only adopted now', () => {
    const theirs = adoptedVm({ name: 'db', host: 'b' });
    const hosts = [
      knownHost('a', [seen('web', off, ['db'])]),
      knownHost('b', [stranger({ name: 'db', power: 'running' })]),
    ];
    expect(orders([web, theirs], ...hosts)).toEqual(['adopt b/db', 'start a/web']);
  });

  it.each([
    {
      what: 'is paused',
      found: knownHost('b', [seen('db', { power: 'paused' })]),
      why: /its update is held/,
    },
    { what: 'is on a host that does not answer', found: unknownHost('b', ['db']), why: /b does not answer/ },
  ])('holds the start of a VM whose dependency $what, and of what depends on that', ({ found, why }) => {
    const proxy = desiredVm({ name: 'proxy', host: 'a', dependsOn: ['web'] });
    const here = knownHost('a', [seen('web', off, ['db']), seen('proxy', off, ['web'])]);
    const { steps, held } = planFor([proxy, web, db], here, found);
    expect(inWords(steps)).toEqual([]);
    const waiting = held.filter(({ because }) => because === 'dependency');
    expect(inWords(waiting)).toEqual(['start proxy on a', 'start web on a']);
    expect(waiting[1]?.reason).toMatch(why);
    expect(waiting[1]?.reason).toMatch(/^depends on db on b: /);
  });

  it.each(['off', 'manual'] as const)('orders nothing where the dependency has power: %s', (power) => {
    const hosts = [knownHost('a', [seen('web', off, ['db'])]), knownHost('b', [seen('db', off)])];
    expect(orders([web, { ...db, power }], ...hosts)).toEqual(['start a/web']);
  });

  it('restarts a VM after what it depends on was restarted', () => {
    const pending = { restart: 'allowed', vcpus: 2 } as const;
    const hosts = [
      knownHost('a', [seen('web', { live, run: 1 }, ['db'])]),
      knownHost('b', [seen('db', { live, run: 1 })]),
    ];
    expect(
      orders(
        [
          { ...web, ...pending },
          { ...db, ...pending },
        ],
        ...hosts,
      ),
    ).toEqual(['restart b/db', 'restart a/web after restart b/db']);
  });

  it('stops a dependency after those that depend on it', () => {
    const hosts = [knownHost('a', [seen('web', {}, ['db'])]), knownHost('b', [seen('db')])];
    const git = [web, db].map((vm) => ({ ...vm, power: 'off' as const }));
    expect(orders(git, ...hosts)).toEqual(['stop b/db after stop a/web', 'stop a/web']);
  });

  it('removes in that order too: what git no longer says, the marks know', () => {
    const hosts = [knownHost('a', [seen('web', {}, ['db'])]), knownHost('b', [seen('db')])];
    expect(orders([], ...hosts)).toEqual(['remove a/web', 'remove b/db after remove a/web']);
  });

  it('leaves out what would close a circle of marks of different commits', () => {
    const host = knownHost('a', [seen('db', {}, ['web']), seen('web', {}, ['db'])]);
    expect(orders([], host)).toEqual(['remove a/db', 'remove a/web after remove a/db']);
  });

  it('marks a VM anew when what it depends on has changed', () => {
    const hosts = [knownHost('a', [seen('web')]), knownHost('b', [seen('db')])];
    const [step] = planFor([web, db], ...hosts).steps;
    expect(step).toMatchObject({
      kind: 'mark',
      reason: 'dependsOn changed in git',
      mark: { dependsOn: ['db'] },
    });
  });
});
