import type { DesiredState } from './desired.ts';
import { type FreezeTime, formatLocal, nextStart, windowAt } from './freeze-time.ts';
import type { Pause, Scope } from './pause.ts';

/** A time in which no change of git is applied. */
export interface Freeze {
  readonly name: string;
  readonly time: FreezeTime;
  /** What it covers. */
  readonly scopes: readonly Scope[];
  /** What becomes of a pass that runs when it begins: it goes on to its end, or begins no further VM. */
  readonly overrun: 'finish' | 'stop';
}

/** The freezes whose window is open, as plans know them. */
export function frozenAt(freezes: readonly Freeze[], now: Date): Pause[] {
  return freezes.flatMap(({ name, time, scopes }) => {
    const window = windowAt(time, now);
    if (window === undefined) return [];
    const reason = `freeze "${name}" until ${formatLocal(window.end, time.timezone)}`;
    return scopes.map((scope): Pause => ({ because: 'frozen', scope, reason }));
  });
}

/** A name that nobody has protects nothing. That is no mistake: a VM that leaves git is covered until it is gone. */
export function freezeWarnings({ vms, policy }: DesiredState): string[] {
  return (policy.freezes ?? []).flatMap(({ name, scopes }) =>
    scopes.flatMap(({ vm }) =>
      vm === undefined || vms.has(vm)
        ? []
        : [`freeze "${name}" covers ${vm}, and git has no VM of that name`],
    ),
  );
}

/** When the first window opens or closes. */
export function freezeChange(freezes: readonly Freeze[], now: Date): Date | undefined {
  const changes = freezes.flatMap(({ time }) => windowAt(time, now)?.end ?? nextStart(time, now) ?? []);
  return changes.length === 0 ? undefined : new Date(Math.min(...changes.map(Number)));
}
