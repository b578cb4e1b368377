import type { DesiredVm } from './desired.ts';
import type { Report, Status, StepResult } from './report.ts';
import type { Held } from './step.ts';
import type { Order } from './suspension.ts';

/** What a commit does to what git says of one VM. */
export interface VmChange {
  readonly kind: 'added' | 'removed' | 'moved' | 'changed';
  /** `vcpus 2 -> 4`; a field that is no plain value is only named. */
  readonly fields: readonly string[];
}

/** What was done to one VM for a commit. */
export interface VmDeed extends Pick<StepResult, 'host' | 'kind' | 'reason' | 'outcome' | 'error'> {
  /** When the pass began; ISO 8601, UTC. */
  readonly at: string;
  readonly trigger: string;
}

export interface VmRecord {
  /** How the last pass for the commit ended, for all of it. */
  readonly status: Status;
  readonly deeds: readonly VmDeed[];
  /** What the last pass held back of this VM. */
  readonly held: readonly Held[];
  /** What people said of leaving it alone, and the ends of that. */
  readonly orders: readonly Order[];
}

/** How the VM of that name differs; undefined: not at all. Where its lines stand makes no difference. */
export function vmChange(before: DesiredVm | undefined, after: DesiredVm | undefined): VmChange | undefined {
  if (before === undefined && after === undefined) return undefined;
  if (after === undefined) return { kind: 'removed', fields: [] };
  if (before === undefined) return { kind: 'added', fields: [] };
  const fields = changedFields(before, after);
  if (fields.length === 0) return undefined;
  return { kind: before.host === after.host ? 'changed' : 'moved', fields };
}

function changedFields(before: DesiredVm, after: DesiredVm): string[] {
  const [old, fresh] = [fieldsOf(before), fieldsOf(after)];
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((key) => {
    const [from, to] = [old.get(key), fresh.get(key)];
    if (JSON.stringify(from) === JSON.stringify(to)) return [];
    return isPlain(from) && isPlain(to) ? [`${key} ${show(from)} -> ${show(to)}`] : [key];
  });
}

/** What a seed says counts, and is shown to nobody: only the name of the field is. */
function fieldsOf(vm: DesiredVm): ReadonlyMap<string, unknown> {
  const { seed, ...rest } = vm;
  const fields = new Map<string, unknown>(Object.entries(rest));
  fields.delete('source');
  if (seed !== undefined) fields.set('seed', [seed, seed.content.reveal()]);
  return fields;
}

function isPlain(value: unknown): boolean {
  return typeof value !== 'object';
}

function show(value: unknown): string {
  return value === undefined ? '(none)' : JSON.stringify(value).replaceAll('"', '');
}

interface Place {
  readonly vm: string;
  readonly host: string | undefined;
}

/** What the reports of one commit, oldest first, say of the VM, which git had on that host; undefined: there is none. */
export function vmRecord(reports: readonly Report[], place: Place): VmRecord | undefined {
  const { vm } = place;
  const last = reports.at(-1);
  if (last === undefined) return undefined;
  const deeds = reports.flatMap(({ steps, startedAt: at, trigger }) =>
    steps
      .filter(({ subject }) => subject === vm)
      .map(({ host, kind, reason, outcome, error }): VmDeed => {
        return { host, kind, reason, outcome, at, trigger, ...(error !== undefined && { error }) };
      }),
  );
  const orders = reports.flatMap((report) => report.orders ?? []).filter(({ scope }) => covers(scope, place));
  return { status: last.status, deeds, held: last.held.filter(({ subject }) => subject === vm), orders };
}

function covers(scope: Order['scope'], place: Place): boolean {
  if (scope?.vm !== undefined) return scope.vm === place.vm;
  return scope !== undefined && (scope.host === undefined || scope.host === place.host);
}

/** The lines for people in a note that name the VM. */
export function linesAbout(note: string, vm: string): string[] {
  const escaped = vm.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const name = new RegExp(`(?<![\\w.-])${escaped}(?![\\w-]|\\.\\w)`);
  return note
    .split('\n')
    .filter((line) => line.startsWith('  ') && name.test(line))
    .map((line) => line.trim());
}
