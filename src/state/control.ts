import { createHash, randomUUID } from 'node:crypto';
import { type Scope, scopeInWords } from '../core/pause.ts';
import { isInForce, type Order, type Suspension } from '../core/suspension.ts';
import { OperatorError } from '../errors.ts';
import type { Clock, Control } from '../ports.ts';
import type { ConfirmationStore } from './confirmations.ts';
import { openOrders } from './orders.ts';
import { openSuspensions } from './suspensions.ts';

/** What commands and the API do for people: each leaves an order behind, for the journal and the next note. */
export interface ControlStore extends Control {
  /** What comes here is news for a running operator. */
  readonly folder: string;
  /** As `orders`, and nothing is changed. */
  waiting(): Promise<ReadonlyMap<string, Order>>;
  suspend(wish: Wish): Promise<Suspension>;
  /** Gives what was lifted. E_USAGE where nothing of that scope is suspended. Everything: all that is suspended. */
  resume(scope: Scope, who: string): Promise<readonly Suspension[]>;
  confirm(hash: string, who: string): Promise<void>;
  /** Asks a running operator for a pass; the id of the order. */
  askForPass(who: string): Promise<string>;
  isWaiting(id: string): Promise<boolean>;
}

export type Wish = Pick<Suspension, 'scope' | 'who' | 'reason'> & { readonly until: Date };

export interface ControlOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly confirmations: ConfirmationStore;
}

/** Over the state folder. The state changes first and the order follows: who hears of the order sees the change. */
export function openControl({ dir, clock, confirmations }: ControlOptions): ControlStore {
  const files = openSuspensions(dir);
  const orders = openOrders(dir);
  const inForce = async () => (await files.all()).filter((one) => isInForce(one, clock.now()));
  return {
    folder: orders.folder,
    suspensions: inForce,
    async orders() {
      for (const one of await files.all()) {
        if (isInForce(one, clock.now())) continue;
        const { scope, who, until, reason } = one;
        // Under an id of its own: cut short here, it is told once all the same.
        await orders.add({ kind: 'expire', who, at: until ?? one.at, scope, reason }, expiryId(one));
        await files.remove(scope);
      }
      return orders.waiting();
    },
    waiting: () => orders.waiting(),
    told: (ids) => orders.forget(ids),
    async suspend({ scope, who, reason, until }) {
      const at = clock.now().toISOString();
      const suspension = { scope, who, at, until: until.toISOString(), reason };
      await files.put(suspension);
      await orders.add({ kind: 'suspend', ...suspension });
      return suspension;
    },
    async resume(scope, who) {
      const standing = await inForce();
      const lifted = standing.filter(
        (one) => scope.host === undefined || scopeInWords(one.scope) === scopeInWords(scope),
      );
      if (lifted.length === 0) throw notSuspended(scope, standing);
      const at = clock.now().toISOString();
      for (const one of lifted) {
        await files.remove(one.scope);
        await orders.add({ kind: 'resume', who, at, scope: one.scope });
      }
      return lifted;
    },
    async askForPass(who) {
      const id = `pass-${randomUUID()}`;
      await orders.add({ kind: 'reconcile', who, at: clock.now().toISOString(), id }, id);
      return id;
    },
    isWaiting: (id) => orders.isWaiting(id),
    async confirm(hash, who) {
      await confirmations.add(hash, who);
      await orders.add({ kind: 'confirm', who, at: clock.now().toISOString(), hash });
    },
  };
}

function notSuspended(scope: Scope, standing: readonly Suspension[]): OperatorError {
  const others = standing.map((one) => scopeInWords(one.scope)).join(', ');
  const what = scope.host === undefined ? 'nothing is suspended' : `${scopeInWords(scope)} is not suspended`;
  return new OperatorError('E_USAGE', others === '' ? what : `${what} by itself; what is: ${others}`);
}

function expiryId({ scope, until = '' }: Suspension): string {
  return `end-${createHash('sha256')
    .update(`${scopeInWords(scope)} ${until}`)
    .digest('hex')
    .slice(0, 16)}`;
}
