import type { Step, StepKind } from '../step.ts';

/** `6 to create`, `6 to start` */
export function countKinds(steps: readonly Step[]): string[] {
  const counts = new Map<StepKind, number>();
  for (const { kind } of steps) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} to ${kind}`);
}
