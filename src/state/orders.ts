import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Order } from '../core/suspension.ts';
import { ignoreMissing, readSmallFiles, writeWhole } from './small-files.ts';

/** What people told the operator, until a report tells of it: one small file for each order. */
export interface OrderFiles {
  /** Where they are: what comes there is news for a running operator. */
  readonly folder: string;
  /** `id`: one that is there already is written anew. */
  add(order: Order, id?: string): Promise<void>;
  /** Whether no report tells of it yet. */
  isWaiting(id: string): Promise<boolean>;
  /** By id, oldest first. */
  waiting(): Promise<ReadonlyMap<string, Order>>;
  forget(ids: Iterable<string>): Promise<void>;
}

const ENDING = '.json';

/** Keeps them under `<dir>/orders`. */
export function openOrders(dir: string): OrderFiles {
  const folder = join(dir, 'orders');
  let count = 0;
  return {
    folder,
    add: (order, id = `${order.at.replaceAll(':', '')}-${process.pid}-${count++}`) =>
      writeWhole(join(folder, `${id}${ENDING}`), `${JSON.stringify(order)}\n`),
    isWaiting: async (id) => (await stat(join(folder, `${id}${ENDING}`)).catch(ignoreMissing)) !== undefined,
    async waiting() {
      const files = await readSmallFiles(folder, ENDING);
      const orders = [...files].flatMap(([name, order]): [string, Order][] =>
        isOrder(order) ? [[name.slice(0, -ENDING.length), order]] : [],
      );
      return new Map(orders.toSorted(([, a], [, b]) => (a.at < b.at ? -1 : 1)));
    },
    async forget(ids) {
      for (const id of ids) await rm(join(folder, `${id}${ENDING}`), { force: true });
    },
  };
}

/** The parse boundary: what stands there was written by us, or is damaged, and then nobody misses it. */
function isOrder(value: unknown): value is Order {
  return (
    typeof value === 'object' &&
    value !== null &&
    'kind' in value &&
    'who' in value &&
    'at' in value &&
    typeof value.at === 'string'
  );
}
