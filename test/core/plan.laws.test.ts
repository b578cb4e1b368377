import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findDrift } from '../../src/core/drift.ts';
import { arrangeFleet } from '../../src/core/fleet.ts';
import { guard } from '../../src/core/guard.ts';
import { isIncomplete, type Mark } from '../../src/core/mark.ts';
import type { ObservedState, ObservedVm } from '../../src/core/observed.ts';
import { orderSteps } from '../../src/core/order-steps.ts';
import { holdPaused, type Scope } from '../../src/core/pause.ts';
import { plan } from '../../src/core/plan.ts';
import { repairsIn } from '../../src/core/repairs.ts';
import { snapshotsOf, unfinishedSnapshot } from '../../src/core/snapshot.ts';
import { laneOf, type Step, stepId, subjectOf, type VmStep } from '../../src/core/step.ts';
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

/** The VM that a step is about, as the hosts showed it. */
function seenAt(observed: ObservedState, { host, uuid }: VmStep): ObservedVm {
  const same = everyVm(observed).filter(({ vm }) => vm.uuid === uuid && isOurs(vm));
  // One that moves here is elsewhere yet.
  const seen = same.find((one) => one.host === host) ?? same[0];
  if (seen === undefined) throw new Error(`no ${uuid} on ${host}`);
  return seen.vm;
}

function markAt(observed: ObservedState, step: VmStep): Mark {
  const { mark } = seenAt(observed, step);
  if (mark === undefined) throw new Error(`${step.vm} has no mark`);
  return mark;
}

/** A VM and all those that have to run before it. */
function namesOf({ vms }: Situation['desired'], name: string): readonly string[] {
  const names = new Set([name]);
  for (const one of names) for (const other of vms.get(one)?.dependsOn ?? []) names.add(other);
  return [...names];
}

/** The VM whose disk a VM is made of. */
function sourceOf({ vms }: Situation['desired'], name: string): string | undefined {
  return vms.get(name)?.bootDisk?.image.sourceVm?.name;
}

const MOVES: readonly Step['kind'][] = ['depart', 'receive', 'migrate', 'retire', 'abandon', 'recall'];
const CHANGES_DISKS: readonly Step['kind'][] = ['grow', 'attach', 'detach'];
const CHANGES_FIELDS: readonly Step['kind'][] = [
  ...CHANGES_DISKS,
  'start',
  'stop',
  'autostart',
  'resize',
  'rewire',
  'describe',
];
const BRINGS_TO_LIFE: readonly Step['kind'][] = [
  'create',
  'restore',
  'start',
  'receive',
  'migrate',
  'recall',
];

/** It has left for good, or does so before anything of it comes to life elsewhere. */
function isOnItsWay(steps: readonly Step[], host: string, { uuid, mark, power }: ObservedVm): boolean {
  if (power === 'shutoff' && mark?.state === 'migrating') return true;
  const migrate = vmSteps(steps).find((step) => step.kind === 'migrate' && step.uuid === uuid);
  if (migrate?.kind === 'migrate' && migrate.from.host === host) return true;
  const depart = vmSteps(steps).find(
    (step) => step.kind === 'depart' && step.host === host && step.uuid === uuid,
  );
  const receive = vmSteps(steps).find((step) => step.kind === 'receive' && step.uuid === uuid);
  return depart !== undefined && receive?.after?.includes(stepId(depart)) === true;
}

/** What a live move has left paused is ended before the VM is started where it is now. */
function isEndedFirst(
  steps: readonly Step[],
  start: VmStep,
  { host, vm }: { readonly host: string; readonly vm: ObservedVm },
): boolean {
  const retire = vmSteps(steps).find(
    (step) => step.kind === 'retire' && step.host === host && step.uuid === vm.uuid,
  );
  const isPaused = vm.power === 'paused' && vm.mark?.state === 'migrating' && vm.mark.to?.live === true;
  return isPaused && retire !== undefined && start.after?.includes(stepId(retire)) === true;
}

describe('every plan', () => {
  it('leaves nothing to do once it is applied', () => {
    forEverySituation(({ desired, observed, steps }) => {
      const applied = applyToModel(observed, steps);
      const again = plan(desired, applied, context);
      // Of snapshots one thing is done in a pass, and the disks of a VM are changed once its snapshots are merged.
      const hasSnapshots = ({ mark, request }: ObservedVm) =>
        request !== undefined || (mark !== undefined && snapshotsOf(mark).length > 0);
      const busy = everyVm(observed).filter(({ vm }) => hasSnapshots(vm));
      const lanes = new Set(busy.map(({ host, vm }) => `${host}/${vm.name}`));
      const uuids = new Set(busy.map(({ vm }) => vm.uuid));
      const isBusy = (step: Step) => lanes.has(laneOf(step)) || ('vm' in step && uuids.has(step.uuid));
      // So does an image that only such a VM needs, to be received on another host.
      const isWaiting = (step: Step) =>
        isBusy(step) ||
        (step.kind === 'image' &&
          vmSteps(again.steps).some((user) => isBusy(user) && user.after?.includes(stepId(step))));
      // What is made of another VM's disk waits until that one is off.
      const isMadeOfAVm = (step: Step) =>
        step.kind === 'image'
          ? step.image.sourceVm !== undefined
          : 'vm' in step && namesOf(desired, step.vm).some((name) => sourceOf(desired, name) !== undefined);
      // Which run a restart would end shows once the VM runs where it was taken over.
      const movedLive = new Set(vmSteps(steps).flatMap((step) => (step.kind === 'migrate' ? step.uuid : [])));
      const isRestartedLater = (step: Step) => step.kind === 'restart' && movedLive.has(step.uuid);
      const left = again.steps.filter(
        (step) => !isWaiting(step) && !isMadeOfAVm(step) && !isRestartedLater(step),
      );
      expect(inWords(left)).toEqual([]);
      // What may take a further pass, one thing after the other, comes to an end too.
      let [state, next] = [applied, again];
      for (let pass = 0; pass < 4 && next.steps.length > 0; pass += 1) {
        state = applyToModel(state, next.steps);
        next = plan(desired, state, context);
      }
      expect(inWords(next.steps)).toEqual([]);
    });
  });

  it('has an order in which it can be carried out', () => {
    forEverySituation(({ steps }) => {
      expect(orderSteps(steps)).toHaveLength(steps.length);
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
        if (['create', 'adopt', 'receive', 'migrate'].includes(step.kind))
          created.add(`${step.host}/${step.uuid}`);
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
            mayRun(vm) &&
            !(isOurs(vm) && isOnItsWay(steps, host, vm)) &&
            !(isOurs(vm) && isEndedFirst(steps, step, { host, vm })) &&
            !(isOurs(vm) && vm.mark?.state === 'arriving' && vm.power === 'shutoff'),
        );
        expect(rivals).toEqual([]);
      }
    });
  });

  it('brings no VM to life that was last seen on a host that is Unknown now', () => {
    forEverySituation(({ observed, steps }) => {
      const unknown = [...observed.hosts.values()].filter((host) => host.kind === 'unknown');
      for (const { kind, vm, host } of vmSteps(steps).filter((step) => BRINGS_TO_LIFE.includes(step.kind))) {
        const seen = everyVm(observed).find((one) => one.host === host && one.vm.name === vm)?.vm;
        const there = seen?.mark;
        // It has not left: it waits there for the end of a live move.
        if (kind === 'recall' && seen?.power === 'paused' && there?.to?.live === true) continue;
        // What a VM has left behind where it came from does not start.
        const left = kind === 'start' && there?.state === 'ready' ? there.from?.host : undefined;
        expect(unknown.some(({ name, lastSeen }) => name !== left && lastSeen?.includes(vm))).toBe(false);
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
        // Of a VM that has moved, its own file there has the same name.
        const moved = step.mark.removed?.movedTo === undefined ? undefined : step.uuid;
        for (const { name } of step.mark.volumes) {
          const users = fleet.usersOf(`/pool/${name}`).filter(({ vm }) => vm !== target?.vm);
          expect(users.filter(({ host, vm }) => host === step.host || vm.uuid !== moved)).toEqual([]);
        }
      }
    });
  });

  it('leaves the disks of a VM with snapshots as they are', () => {
    forEverySituation(({ observed, steps }) => {
      // One that moves here has none any more.
      const arriving = new Set(
        vmSteps(steps).flatMap((step) =>
          step.kind === 'receive' || step.kind === 'migrate' ? [laneOf(step)] : [],
        ),
      );
      const changes = vmSteps(steps).filter(({ kind }) => CHANGES_DISKS.includes(kind));
      for (const step of changes.filter((change) => !arriving.has(laneOf(change))))
        expect(snapshotsOf(markAt(observed, step))).toEqual([]);
    });
  });

  it('goes back to a snapshot only where that is asked for, or was begun', () => {
    forEverySituation(({ observed, steps }) => {
      for (const step of vmSteps(steps)) {
        if (step.kind !== 'revert') continue;
        const { request } = seenAt(observed, step);
        const begun = unfinishedSnapshot(markAt(observed, step));
        const isAsked = request?.action === 'revert' && request.snapshot === step.snapshot;
        expect(isAsked || (begun?.name === step.snapshot && begun.state === 'reverting')).toBe(true);
      }
    });
  });

  it('merges no snapshot that git declares, or that a command made, unless that is asked for or was begun', () => {
    forEverySituation(({ desired, observed, steps }) => {
      for (const step of vmSteps(steps)) {
        if (step.kind !== 'merge') continue;
        const { request } = seenAt(observed, step);
        const snapshot = snapshotsOf(markAt(observed, step)).find(({ name }) => name === step.snapshot);
        if (request?.action === 'delete' && request.snapshot === step.snapshot) continue;
        if (snapshot?.state === 'merging') continue;
        expect(snapshot?.by).toBe('git');
        expect(desired.vms.get(step.vm)?.snapshots ?? []).not.toContain(step.snapshot);
      }
    });
  });

  it('finishes what was begun of snapshots before the VM is started, stopped or removed', () => {
    forEverySituation(({ observed, steps }) => {
      for (const [index, step] of steps.entries()) {
        if (!('vm' in step) || !['start', 'stop', 'restart', 'remove'].includes(step.kind)) continue;
        const seen = everyVm(observed).find(({ host, vm }) => host === step.host && vm.name === step.vm)?.vm;
        const begun = seen?.mark && unfinishedSnapshot(seen.mark);
        if (begun?.state !== 'reverting' && begun?.paused !== true) continue;
        const earlier = steps.slice(0, index).filter((other) => laneOf(other) === laneOf(step));
        expect(earlier.some((other) => 'snapshot' in other && other.snapshot === begun.name)).toBe(true);
      }
    });
  });

  it('does something wherever a VM of ours has drifted, or says why not; and changes nothing that has not', () => {
    forEverySituation(({ desired, observed }) => {
      const { steps, held } = plan(desired, observed, context);
      const drifted = new Set(findDrift(desired, observed).map(({ host, vm }) => `${host}/${vm}`));
      const touched = new Set([
        ...steps.map(laneOf),
        ...held.map(({ host, subject }) => `${host}/${subject}`),
      ]);
      for (const lane of drifted) expect(touched).toContain(lane);
      const complete = everyVm(observed).filter(({ vm }) => isOurs(vm) && vm.mark?.state === 'ready');
      const lanes = new Set(complete.map(({ host, vm }) => `${host}/${vm.name}`));
      const reverted = new Set(steps.filter(({ kind }) => kind === 'revert').map(laneOf));
      // An attachment that was cut short is finished: the disk is there, and only the mark does not say so yet.
      const isFinished = (step: Step) =>
        step.kind === 'attach' &&
        seenAt(observed, step).disks.some(({ target }) => target === step.disk.target);
      const changing = steps
        .filter((step) => CHANGES_FIELDS.includes(step.kind) && !isFinished(step))
        .map(laneOf);
      for (const lane of changing.filter((one) => lanes.has(one) && !reverted.has(one)))
        expect(drifted).toContain(lane);
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

describe('a freeze', () => {
  it('lets pass what is no change, and leaves no step that waits for a held one', () => {
    forEverySituation(({ desired, observed, steps }) => {
      const repairs = repairsIn(steps, desired, observed);
      const pauses = [{ because: 'frozen', scope: {}, reason: 'frozen' }] as const;
      const { steps: left, held } = holdPaused({ steps, held: [] }, pauses, repairs);
      expect(left.length + held.length).toBe(steps.length);
      const goneIds = new Set(held.map(({ kind, host, subject }) => `${kind} ${host}/${subject}`));
      for (const step of left) expect(step.after?.some((id) => goneIds.has(id)) ?? false).toBe(false);
      for (const step of left) expect(repairs).toContain(stepId(step));
      const isRepaired = (kind: Step['kind']) => FROZEN_NEVER.includes(kind);
      expect(left.filter(({ kind }) => isRepaired(kind))).toEqual([]);
    });
  });

  const FROZEN_NEVER: readonly Step['kind'][] = [
    'create',
    'restore',
    'adopt',
    'depart',
    'remove',
    'purge',
    'detach',
    'reclaim',
    'stop',
    'restart',
  ];
});

describe('a pause', () => {
  const scopes: readonly Scope[] = [
    {},
    ...['a', 'b', 'c'].flatMap((host) => [{ host }, { host, vm: 'web' }, { host, vm: 'db' }]),
  ];

  const nameOf = ({ uuid, vm }: VmStep) => `${uuid} ${vm}`;

  it('only ever takes steps away, leaves none that reaches where it holds, and none that waits for one', () => {
    forEverySituation(({ steps }) => {
      for (const scope of scopes) {
        const { steps: left, held } = holdPaused({ steps, held: [] }, [
          { because: 'suspended', scope, reason: 'suspended' },
        ]);
        const ids = new Set(left.map(stepId));
        const gone = steps.filter((step) => !ids.has(stepId(step)));
        expect(inWords(held).toSorted()).toEqual(inWords(gone).toSorted());
        const goneIds = new Set(gone.map(stepId));
        for (const step of left) {
          expect(step.after?.some((id) => goneIds.has(id)) ?? false).toBe(false);
          if (scope.host === undefined || step.host !== scope.host) continue;
          expect(scope.vm).not.toBe(undefined);
          expect(subjectOf(step)).not.toBe(scope.vm);
        }
        const moving = new Set(
          gone.flatMap((step) => ('vm' in step && MOVES.includes(step.kind) ? [nameOf(step)] : [])),
        );
        for (const step of vmSteps(left)) expect(moving.has(nameOf(step))).toBe(false);
      }
    });
  });
});
