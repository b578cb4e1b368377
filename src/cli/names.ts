import { type NameStatus, nameStatuses } from '../core/name-status.ts';
import type { KnownNames } from '../core/observed-names.ts';
import type { Judged } from '../core/review/plan-result.ts';
import { OperatorError } from '../errors.ts';
import { assessNow } from './assess-now.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';
import { formatTable } from './table.ts';
import { warnRefused } from './warn-refused.ts';

/** Each VM with what dnsmasq is told of it, and what is in the way. Exit code 1: dnsmasq cannot be read. */
export function names(dir: string | undefined, options: GlobalOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const judged = await assessNow(operator, { dir }, abortOnSignals());
    warnRefused(judged);
    const { desired, known, assessment } = found(judged);
    const { clashes, plan } = assessment;
    const now = operator.deps.clock.now();
    const all = nameStatuses(desired, { known, clashes, held: plan.held, now });
    if (options.json) printJson({ v: 1, isLoaded: known.isLoaded, names: all });
    else print(namesText(all, known));
    return 0;
  });
}

function found(judged: Judged) {
  if (!judged.ok)
    throw new OperatorError('E_USAGE', 'the manifests have mistakes: `kvm-gitops validate` lists them');
  const { names: known } = judged.observed;
  if (known === undefined)
    throw new OperatorError('E_CONFIG_INVALID', 'operator.yaml has no dnsmasq: nobody is told of names');
  if (known.kind === 'unknown') throw new OperatorError('E_DNSMASQ', known.reason);
  return { ...judged, known };
}

const HEAD = ['VM', 'ADDRESS', 'MAC', 'NAMES', 'DNSMASQ', 'LEASE', 'DECLARED'];
const STATES: Readonly<Record<NameStatus['state'], string>> = {
  loaded: colors.green('loaded'),
  written: colors.yellow('not read yet'),
  differs: colors.yellow('to be changed'),
  missing: colors.yellow('not told yet'),
};

function namesText(all: readonly NameStatus[], { files, isLoaded }: KnownNames): string {
  const problems = all.flatMap(({ vm, problem }) =>
    problem === undefined ? [] : [`${colors.red(vm)}: ${problem}`],
  );
  const unread = `dnsmasq has not read ${files.hosts.path} as it is: the next pass tells it to`;
  return [
    formatTable([HEAD, ...all.map(row)]),
    ...(problems.length === 0 ? [] : ['', ...problems]),
    ...(isLoaded || files.hosts.text === '' ? [] : ['', colors.yellow(unread)]),
  ].join('\n');
}

function row(status: NameStatus): string[] {
  const { vm, address, mac, names: both, state, source } = status;
  const declared = source ?? colors.yellow('no more: it may still run');
  return [vm, address, mac ?? '-', both.join(' '), STATES[state], leaseText(status), declared];
}

function leaseText({ lease, mac, address }: NameStatus): string {
  if (lease === undefined) return '-';
  const until = lease.until === undefined ? 'for ever' : `until ${lease.until}`;
  if (lease.mac !== mac) return colors.yellow(`of ${lease.mac}, ${until}`);
  return lease.address === address ? until : colors.yellow(`${lease.address}, ${until}`);
}
