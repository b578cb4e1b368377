import { isNamesStep, type Plan, type Step, stepId, subjectOf } from './step.ts';
import { withhold } from './withhold.ts';

/** What is left alone: everything, a host with all on it, one VM of a host, or a VM wherever it is. */
export interface Scope {
  /** Absent: any. */
  readonly host?: string;
  readonly vm?: string;
}

/** Why something is left alone for a while. */
export interface Pause {
  readonly because: 'suspended' | 'frozen';
  readonly scope: Scope;
  /** The whole of it, for plan and note: `suspended by ann until 2026-11-25 18:00:00Z: new disks`. */
  readonly reason: string;
}

/** Says which of the pauses, if any, a step falls under. */
export type PauseFinder = (step: Step, pauses: readonly Pause[]) => Pause | undefined;

/**
 * Knows, of the steps of one plan, where each of them reaches. A VM that moves is on all hosts of its move at once: a move
 * is left alone as a whole, for the sake of either end.
 */
export function pauseFinder(steps: readonly Step[], repairs?: ReadonlySet<string>): PauseFinder {
  const moves = new Map<string, Set<string>>();
  for (const step of steps) {
    const others = otherEnds(step);
    if (others.length === 0 || !('vm' in step)) continue;
    const ends = moves.get(step.uuid) ?? new Set<string>();
    for (const host of [step.host, ...others]) ends.add(host);
    moves.set(step.uuid, ends);
  }
  return (step, pauses) => {
    if (pauses.length === 0) return undefined;
    const ends = 'vm' in step ? moves.get(step.uuid) : undefined;
    const hosts = new Set(ends).add(step.host);
    const isRepair = repairs?.has(stepId(step)) ?? false;
    return pauses.find(
      ({ because, scope }) => !(isRepair && because === 'frozen') && covers(scope, step, hosts),
    );
  };
}

/** Takes what is paused out of a plan, with all that waits for it. `repairs`: ids of steps that no freeze holds. */
export function holdPaused(plan: Plan, pauses: readonly Pause[], repairs?: ReadonlySet<string>): Plan {
  if (pauses.length === 0) return plan;
  const find = pauseFinder(plan.steps, repairs);
  return withhold(plan, (step) => find(step, pauses));
}

/** `everything`, `t01`, `t01/web-1` */
export function scopeInWords({ host, vm }: Scope): string {
  return [host, vm].filter((part) => part !== undefined).join('/') || 'everything';
}

/** Whether a VM of that host falls under it. */
export function coversVm(
  { host, vm }: Scope,
  place: { readonly host: string; readonly vm: string },
): boolean {
  return (host === undefined || host === place.host) && (vm === undefined || vm === place.vm);
}

function covers({ host, vm }: Scope, step: Step, hosts: ReadonlySet<string>): boolean {
  if (host === undefined && vm === undefined) return true;
  // dnsmasq writes one file for all: whose names change is decided VM by VM, see `planNames`.
  if (isNamesStep(step) || (host !== undefined && !hosts.has(host))) return false;
  return vm === undefined || vm === subjectOf(step);
}

/** The other hosts of a move that a step is part of, whatever kind of step it is. */
function otherEnds(step: Step): string[] {
  const ends: unknown[] = [
    'to' in step ? step.to : undefined,
    'from' in step ? step.from : undefined,
    'formerly' in step ? step.formerly : undefined,
    'leftOn' in step ? step.leftOn : undefined,
  ];
  return ends.map(hostOf).filter((host) => host !== undefined);
}

function hostOf(end: unknown): string | undefined {
  if (typeof end === 'string') return end;
  const isPassage = typeof end === 'object' && end !== null && 'host' in end && typeof end.host === 'string';
  return isPassage ? String(end.host) : undefined;
}
