import { Gauge, type Registry } from 'prom-client';
import { redactText } from '../redact.ts';

/** How it stands with a receiver of notifications. */
export interface ReceiverView {
  readonly name: string;
  /** Notices that it was not told yet. */
  readonly pending: number;
  /** Why the last try failed; absent: it did not. */
  readonly problem?: string;
}

/** Those that wait to be told; undefined where everybody knows. */
export function viewReceivers(receivers: readonly ReceiverView[]): readonly ReceiverView[] | undefined {
  const waiting = receivers.filter(({ pending }) => pending > 0);
  if (waiting.length === 0) return undefined;
  return waiting.map(({ name, pending, problem }) => ({
    name,
    pending,
    ...(problem !== undefined && { problem: redactText(problem) }),
  }));
}

/** Tells Prometheus of the receivers, as they are when it asks. Once for each registry. */
export function registerReceivers(registry: Registry, receivers: () => readonly ReceiverView[]): void {
  const pending = new Gauge({
    name: 'kvm_gitops_notifications_pending',
    help: 'Notices that a receiver of notifications was not told yet.',
    labelNames: ['receiver'],
    registers: [],
    collect() {
      for (const one of receivers()) this.set({ receiver: one.name }, one.pending);
    },
  });
  registry.registerMetric(pending);
}
