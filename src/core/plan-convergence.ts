import type { DesiredVm, HostPolicy, Image, MigrationPolicy } from './desired.ts';
import type { Fleet, OwnedVm } from './fleet.ts';
import type { Mark } from './mark.ts';
import type { ObservedVm } from './observed.ts';
import type { PlanContext } from './plan.ts';
import { planCards } from './plan-cards.ts';
import { planDisks } from './plan-disks.ts';
import { planGuest } from './plan-guest.ts';
import { forceOf, markChange, readyMark } from './ready-mark.ts';
import { sizeChange, sizeOf, untilRestart } from './size.ts';
import type { Step, Verdict } from './step.ts';

/** What planning one VM needs to know of all else. */
export interface WantedContext extends PlanContext {
  readonly cluster: string;
  readonly fleet: Fleet;
  readonly policyOf: (host: string) => Pick<HostPolicy, 'pools'>;
  readonly images: readonly Image[];
  readonly tombstoneDays: number;
  readonly copyLimits: MigrationPolicy;
  readonly allocateMacs: (vm: DesiredVm) => readonly string[];
}

/** What it takes to make a complete VM of ours, kept or removed, as git says. */
export function convergence(vm: DesiredVm, { vm: found, mark }: OwnedVm, context: WantedContext): Verdict {
  const base = { host: vm.host, vm: vm.name, uuid: found.uuid, cluster: context.cluster };
  const wantedMark = readyMark(vm, context, mark);
  const steps: Step[] = [];
  if (mark.state === 'tombstone') {
    steps.push({
      ...base,
      kind: 'restore',
      reason: 'back in git',
      autostart: vm.autostart,
      mark: wantedMark,
    });
  } else {
    const changed = markChange(mark, wantedMark);
    if (changed !== undefined) steps.push({ ...base, kind: 'mark', reason: changed, mark: wantedMark });
    if (found.autostart !== vm.autostart) {
      steps.push({
        ...base,
        kind: 'autostart',
        reason: `autostart is ${vm.autostart} in git`,
        enabled: vm.autostart,
      });
    }
  }
  const resize = sizeChange(found, vm);
  if (resize !== undefined) steps.push({ ...base, kind: 'resize', reason: resize, to: sizeOf(vm) });
  const devices = planDevices(vm, { host: vm.host, vm: found, mark }, context);
  steps.push(...devices.steps.filter(({ kind }) => kind !== 'reclaim'));
  if (vm.power === 'on' && found.power === 'shutoff') {
    steps.push({
      ...base,
      kind: 'start',
      reason: startReason(found, mark),
    });
  }
  if (vm.power === 'off' && found.power !== 'shutoff') {
    const state = found.power === 'other' ? 'not shut off' : found.power;
    steps.push({ ...base, ...forceOf(vm), kind: 'stop', reason: `${state}, and power is off in git` });
  }
  const pending = untilRestart(vm, found);
  if (pending !== undefined && vm.power === 'on' && vm.restart === 'allowed' && found.run !== undefined) {
    steps.push({ ...base, ...forceOf(vm), kind: 'restart', reason: pending, run: found.run });
  }
  const guest = planGuest(vm, found, { ...base, mark });
  // Last: what cannot be deleted keeps no VM from its start.
  const deletions = devices.steps.filter(({ kind }) => kind === 'reclaim');
  return { steps: [...steps, ...guest.steps, ...deletions], held: [...devices.held, ...guest.held] };
}

function planDevices(vm: DesiredVm, { vm: found, mark }: OwnedVm, context: WantedContext): Verdict {
  const host = context.fleet.known.get(vm.host);
  if (host === undefined) return { steps: [], held: [] };
  const base = { host: vm.host, vm: vm.name, uuid: found.uuid, cluster: context.cluster };
  const cards = planCards({ ...context, vm, found, base });
  const policy = context.policyOf(vm.host);
  const disks = planDisks({ ...context, vm, found, base, mark, host, policy });
  return { steps: [...cards.steps, ...disks.steps], held: [...cards.held, ...disks.held] };
}

function startReason({ managedSave }: ObservedVm, { state }: Mark): string {
  const reason = state === 'tombstone' ? 'back in git' : 'shut off, and power is on in git';
  return managedSave ? `${reason}; its memory was saved: it goes on where it was` : reason;
}
