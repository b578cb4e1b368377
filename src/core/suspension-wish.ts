import { OperatorError } from '../errors.ts';
import type { Scope } from './pause.ts';
import { didYouMean } from './suggest.ts';

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const DEFAULT_MS = 24 * 3_600_000;
const MOST_MS = 366 * 86_400_000;
const MAX_REASON = 200;
const VM_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** What a person names, by a command or the API: `HOST`, `HOST/VM`, or everything. E_USAGE for none of them, and for a host that operator.yaml does not have. */
export function scopeOf(
  target: string | undefined,
  all: boolean,
  hosts: ReadonlyMap<string, unknown>,
): Scope {
  if (all !== (target === undefined))
    throw usage(all ? `all, and ${target}: say one of them` : 'say what: HOST, HOST/VM or all');
  if (target === undefined) return {};
  const [host = '', vm, ...rest] = target.split('/');
  if (!hosts.has(host)) {
    const hint = vm === undefined ? '; a VM is named HOST/VM' : '';
    throw usage(
      `${JSON.stringify(host)} is no host of operator.yaml${didYouMean(host, [...hosts.keys()])}${hint}`,
    );
  }
  if (vm === undefined) return { host };
  if (rest.length > 0 || !VM_NAME.test(vm)) throw usage(`${JSON.stringify(target)} is not HOST/VM`);
  return { host, vm };
}

/** When a suspension ends. A time without a zone is this machine's. */
export function endOfSuspension(
  options: { readonly for?: string | undefined; readonly until?: string | undefined },
  now: Date,
): Date {
  const { for: span, until } = options;
  if (span !== undefined && until !== undefined) throw usage('say "for" or "until", not both');
  const end = until === undefined ? now.getTime() + spanMs(span) : Date.parse(timeOf(until));
  if (Number.isNaN(end)) throw usage(`until takes a time as 2026-11-25T18:00, not ${JSON.stringify(until)}`);
  if (end <= now.getTime()) throw usage(`until ${until} is over already`);
  if (end - now.getTime() > MOST_MS) throw usage('a suspension ends within a year');
  return new Date(end);
}

/** One line, for plans and notes. */
export function reasonOf(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\s]+/gu, ' ').trim();
  if (line === '') throw usage('reason: say why, for those who meet the suspension');
  if (line.length > MAX_REASON) throw usage(`reason: ${MAX_REASON} characters at most`);
  return line;
}

function spanMs(text: string | undefined): number {
  if (text === undefined) return DEFAULT_MS;
  const [, amount, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = Number(amount) * (UNIT_MS[unit] ?? Number.NaN);
  if (ms > 0) return ms;
  throw usage(`for takes a number with m, h or d, as in 90m, 2h or 3d, not ${JSON.stringify(text)}`);
}

/** A day alone would be read as UTC. */
function timeOf(text: string): string {
  const isTime = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})?)?$/.test(text);
  if (!isTime) return '';
  return text.length === 10 ? `${text}T00:00` : text.replace(' ', 'T');
}

function usage(message: string): OperatorError {
  return new OperatorError('E_USAGE', message);
}
