import { assess } from '../../src/core/assess.ts';
import type { DesiredState } from '../../src/core/desired.ts';
import type { ObservedState } from '../../src/core/observed.ts';
import {
  COMMIT,
  desiredState,
  desiredVm,
  hostPolicy,
  knownHost,
  NOW,
  observedState,
  observedVm,
} from '../builders.ts';
import { atMost, type Figure, median, showMs, showTimes } from './figures.ts';

const VMS_PER_HOST = 20;
const SIZES = [12_500, 25_000, 50_000] as const;
const LARGEST = 50_000;
const ROUNDS = 5;
const GOAL_MS = 2000;
/** Of time against size from the smallest to the largest: 1 is linear, 2 quadratic. */
const MAX_EXPONENT = 1.25;

/** Judges fleets of growing size in memory: plan, guards and capacity. No host, no git. */
export async function benchPlanner(): Promise<readonly Figure[]> {
  return [...figuresOf('nothing to do', true), ...figuresOf('all to create', false)];
}

function figuresOf(what: string, there: boolean): readonly Figure[] {
  const times = SIZES.map((size) => ({ size, ms: timeOf(size, there) }));
  const [first, last] = [times[0]?.ms ?? 0, times.at(-1)?.ms ?? 0];
  const exponent = Math.log(last / first) / Math.log(LARGEST / SIZES[0]);
  return [
    ...times.map(({ size, ms }) => ({
      what: `${size} VMs on ${size / VMS_PER_HOST} hosts, ${what}`,
      value: showMs(ms),
      ...(size === LARGEST ? atMost(GOAL_MS, ms, showMs) : {}),
    })),
    {
      what: `4 times the VMs, ${what}: time grows (exponent ${exponent.toFixed(2)})`,
      value: showTimes(last / first),
      goal: 'linear',
      met: exponent < MAX_EXPONENT,
    },
  ];
}

function timeOf(size: number, there: boolean): number {
  const { desired, observed } = fleetOf(size, there);
  const times = Array.from({ length: ROUNDS }, () => {
    const began = performance.now();
    const { plan, shortages } = assess(desired, observed, { now: NOW, commit: COMMIT });
    const ms = performance.now() - began;
    const expected = there ? 0 : 2 * size;
    if (plan.steps.length !== expected || plan.held.length > 0 || shortages.length > 0)
      throw new Error(`the planner has ${plan.steps.length} steps instead of ${expected}`);
    return ms;
  });
  return median(times);
}

function fleetOf(
  size: number,
  there: boolean,
): { readonly desired: DesiredState; readonly observed: ObservedState } {
  const fleet = Array.from({ length: size / VMS_PER_HOST }, (_, index) => {
    const host = `host-${index}`;
    const vms = Array.from({ length: VMS_PER_HOST }, (_vm, at) =>
      desiredVm({ name: `${host}-vm-${at}`, host }),
    );
    return { host, vms };
  });
  const vms = fleet.flatMap((one) => one.vms);
  const hosts = fleet.map((one) =>
    knownHost(one.host, there ? one.vms.map(({ name }) => observedVm({ name })) : [], {
      cpus: 64,
      memoryMiB: 256 * 1024,
    }),
  );
  return {
    desired: desiredState(vms, { hosts: fleet.map(({ host }) => hostPolicy(host)) }),
    observed: observedState(...hosts),
  };
}
