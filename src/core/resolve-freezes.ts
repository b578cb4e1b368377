import type { Cluster } from './cluster.ts';
import type { Freeze } from './freeze.ts';
import type { FreezeTime } from './freeze-time.ts';
import type { Scope } from './pause.ts';

type Written = NonNullable<Cluster['freeze']>[number];

const UNIT_MINUTES: Readonly<Record<string, number>> = { m: 1, h: 60, d: 24 * 60 };

/** The freeze windows of a cluster.yaml without mistakes. */
export function resolveFreezes({ freeze = [] }: Cluster): Freeze[] {
  return freeze.map((one) => ({
    name: one.name,
    time: timeOf(one),
    scopes: scopesOf(one),
    overrun: one.overrun ?? 'finish',
  }));
}

/** `90m`, `60h`, `14d`: by the form of the schema. */
export function durationMinutes(text: string): number {
  return Number.parseInt(text, 10) * (UNIT_MINUTES[text.slice(-1)] ?? Number.NaN);
}

function timeOf({ start, duration, from = '', to = '', timezone = 'UTC' }: Written): FreezeTime {
  return start !== undefined && duration !== undefined
    ? { kind: 'repeated', timezone, start, durationMin: durationMinutes(duration) }
    : { kind: 'once', timezone, from, to };
}

/** Neither hosts nor VMs named: everything. */
function scopesOf({ hosts = [], vms = [] }: Written): readonly Scope[] {
  const named = [...hosts.map((host) => ({ host })), ...vms.map((vm) => ({ vm }))];
  return named.length === 0 ? [{}] : named;
}
