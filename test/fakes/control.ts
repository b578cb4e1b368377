import { isInForce, type Order, type Suspension } from '../../src/core/suspension.ts';
import type { Control } from '../../src/ports.ts';

export interface FakeControl extends Control {
  /** What stands now; a test puts it there and takes it away. */
  standing: readonly Suspension[];
  /** By id: what no report tells of yet. */
  readonly untold: Map<string, Order>;
}

export function fakeControl(now: () => Date): FakeControl {
  const fake: FakeControl = {
    standing: [],
    untold: new Map(),
    suspensions: async () => fake.standing.filter((one) => isInForce(one, now())),
    orders: async () => new Map(fake.untold),
    told: async (ids) => {
      for (const id of ids) fake.untold.delete(id);
    },
  };
  return fake;
}
