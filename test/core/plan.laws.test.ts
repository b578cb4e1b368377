import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrangeFleet } from '../../src/core/fleet.ts';
import { guard } from '../../src/core/guard.ts';
import { isIncomplete } from '../../src/core/mark.ts';
import type { ObservedState, ObservedVm } from '../../src/core/observed.ts';
import { plan } from '../../src/core/plan.ts';
import { laneOf, type Step } from '../../src/core/step.ts';
import { CLUSTER, COMMIT, inWords, NOW, vmSteps } from '../builders.ts';
import { applyToModel } from '../fakes/apply-model.ts';
import { situations } from './fleets.ts';

const context = { now: NOW, commit: COMMIT };
const runs = { numRuns: 300 };

function forEverySituation(law: (situation: Situation) => void): void {
  fc.assert(
    fc.property(situations, ({ desired, observed }) =>
      law({ desired, observed, steps: plan(desired, observed, context).steps }),
    ),
    runs,
  );
}

interface Situation {
  readonly desired: Parameters<typeof plan>[0];
  readonly observed: ObservedState;
  readonly steps: readonly Step[];
}

/** Every VM on a host that answers, with its host. */
function everyVm(observed: ObservedState): { host: string; vm: ObservedVm }[] {
  return [...observed.hosts.values()].flatMap((host) =>
    host.kind === 'known' ? host.vms.map((vm) => ({ host: host.name, vm })) : [],
  );
}

function isOurs({ mark }: ObservedVm): boolean {
  return mark?.cluster === CLUSTER;
}

function mayRun(vm: ObservedVm): boolean {
  return vm.power !== 'shutoff' || (isOurs(vm) && vm.mark?.state !== 'tombstone');
}

function unsettled(step: Step): Step {
  if (!('settles' in step)) return step;
  const { settles: _, ...rest } = step;
  return rest;
}

const BRINGS_TO_LIFE: readonly Step['kind'][] = ['create', 'restore', 'start'];

describe('every plan', () => {
  it('leaves nothing to do once it is applied', () => {
    forEverySituation(({ desired, observed, steps }) => {
      const again = plan(desired, applyToModel(observed, steps), context);
      expect(inWords(again.steps)).toEqual([]);
    });
  });

  it('has steps for hosts that answer only', () => {
    forEverySituation(({ observed, steps }) => {
      for (const step of steps) expect(observed.hosts.get(step.host)?.kind).toBe('known');
    });
  });

  it('touches no VM without our mark', () => {
    forEverySituation(({ observed, steps }) => {
      const ours = everyVm(observed).filter(({ vm }) => isOurs(vm));
      const created = new Set<string>();
      for (const step of vmSteps(steps)) {
        if (step.kind === 'create' || step.kind === 'adopt') created.add(`${step.host}/${step.uuid}`);
        if (created.has(`${step.host}/${step.uuid}`)) continue;
        expect(
          ours.some(({ host, vm }) => host === step.host && vm.uuid === step.uuid && vm.name === step.vm),
        ).toBe(true);
      }
    });
  });

  it('adopts what is nobody’s, with the name, the host and the uuid that git says', () => {
    forEverySituation(({ desired, observed, steps }) => {
      for (const step of vmSteps(steps).filter(({ kind }) => kind === 'adopt')) {
        const wanted = desired.vms.get(step.vm);
        expect(wanted).toMatchObject({ host: step.host, uuid: step.uuid });
        expect(wanted?.bootDisk).toBeUndefined();
        const same = everyVm(observed).filter(({ vm }) => vm.uuid === step.uuid);
        expect(same).toMatchObject([{ host: step.host, vm: { name: step.vm, persistent: true } }]);
        expect(same[0]?.vm.mark).toBeUndefined();
      }
    });
  });

  it('makes no VM anew that was there before the repository', () => {
    forEverySituation(({ desired, steps }) => {
      for (const step of vmSteps(steps).filter(({ kind }) => kind === 'create'))
        expect(desired.vms.get(step.vm)?.bootDisk).toBeDefined();
    });
  });

  it('creates over nothing but an unfinished VM of ours', () => {
    forEverySituation(({ observed, steps }) => {
      for (const step of vmSteps(steps).filter(({ kind }) => kind === 'create')) {
        const inTheWay = everyVm(observed).filter(
          ({ host, vm }) => host === step.host && (vm.name === step.vm || vm.uuid === step.uuid),
        );
        for (const { vm } of inTheWay) {
          expect(isOurs(vm)).toBe(true);
          expect(vm.mark !== undefined && isIncomplete(vm.mark)).toBe(true);
          expect(vm.power).toBe('shutoff');
        }
      }
    });
  });

  it('brings no VM to life of which another copy runs or may run', () => {
    forEverySituation(({ observed, steps }) => {
      for (const step of vmSteps(steps).filter(({ kind }) => BRINGS_TO_LIFE.includes(kind))) {
        const rivals = everyVm(observed).filter(
          ({ host, vm }) =>
            (vm.uuid === step.uuid || (isOurs(vm) && vm.name === step.vm)) &&
            !(host === step.host && vm.name === step.vm) &&
            mayRun(vm),
        );
        expect(rivals).toEqual([]);
      }
    });
  });

  it('brings no VM to life that was last seen on a host that is Unknown now', () => {
    forEverySituation(({ observed, steps }) => {
      const unknown = [...observed.hosts.values()].filter((host) => host.kind === 'unknown');
      for (const { kind, vm } of vmSteps(steps).filter((step) => BRINGS_TO_LIFE.includes(step.kind))) {
        expect(unknown.some(({ lastSeen }) => lastSeen?.includes(vm))).toBe(false);
        const isNew = kind === 'create' || kind === 'restore';
        expect(isNew && unknown.some(({ lastSeen }) => lastSeen === undefined)).toBe(false);
      }
    });
  });

  it('purges what is shut off, ours, due, and has no disk of another VM', () => {
    forEverySituation(({ observed, steps }) => {
      const fleet = arrangeFleet(CLUSTER, observed);
      for (const step of steps) {
        if (step.kind !== 'purge') continue;
        const target = everyVm(observed).find(({ host, vm }) => host === step.host && vm.uuid === step.uuid);
        expect(target?.vm.power).toBe('shutoff');
        const due = step.mark.removed?.purgeAfter;
        expect(due !== undefined && due <= NOW.toISOString()).toBe(true);
        for (const { name } of step.mark.volumes)
          expect(fleet.usersOf(`/pool/${name}`).filter(({ vm }) => vm !== target?.vm)).toEqual([]);
      }
    });
  });

  it('ends no VM that git declares, other than what it left behind on another host', () => {
    forEverySituation(({ desired, steps }) => {
      for (const step of vmSteps(steps).filter(({ kind }) => kind === 'remove' || kind === 'purge')) {
        const wanted = desired.vms.get(step.vm);
        expect(wanted === undefined || (step.kind === 'purge' && wanted.host !== step.host)).toBe(true);
      }
    });
  });

  it('does not depend on the order of what git and the hosts list', () => {
    forEverySituation(({ desired, observed, steps }) => {
      const vms = new Map([...desired.vms].toReversed());
      const hosts = [...observed.hosts.values()].toReversed();
      const turned = hosts.map((host) =>
        host.kind === 'known' ? { ...host, vms: host.vms.toReversed() } : host,
      );
      const other = plan(
        { ...desired, vms },
        { hosts: new Map(turned.map((host) => [host.name, host])) },
        context,
      );
      expect(new Set(other.steps)).toEqual(new Set(steps));
    });
  });
});

describe('guard', () => {
  it('only ever takes steps away, and says of each why; what is left of such a VM does not complete it', () => {
    forEverySituation(({ desired, steps }) => {
      const guarded = guard({ steps, held: [] }, desired);
      const keyOf = (step: Step) => JSON.stringify(unsettled(step));
      const kept = new Set(guarded.steps.map(keyOf));
      const missing = steps.filter((step) => !kept.has(keyOf(step)));
      const incomplete = new Set(missing.map(laneOf));
      const left = steps
        .filter((step) => kept.has(keyOf(step)))
        .map((step) => (incomplete.has(laneOf(step)) ? unsettled(step) : step));
      expect(guarded.steps).toEqual(left);
      expect(inWords(guarded.held)).toEqual(inWords(missing));
      expect(guarded.confirmation === undefined).toBe(missing.length === 0);
    });
  });

  it('lets no protected VM go, and no more removals than the policy has', () => {
    forEverySituation(({ desired, steps }) => {
      const ends = guard({ steps, held: [] }, desired).steps.filter(({ kind }) => kind === 'remove');
      expect(ends.length).toBeLessThanOrEqual(desired.policy.maxRemovals);
      for (const step of ends) expect(step.kind === 'remove' && step.mark.protect).toBe(false);
      expect(desired.vms.size === 0 && ends.length > 0).toBe(false);
    });
  });
});
