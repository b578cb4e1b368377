import { type Difference, findDrift } from '../core/drift.ts';
import { formatIssue } from '../core/issue.ts';
import { type PendingRestart, pendingRestarts } from '../core/size.ts';
import { assessNow } from './assess-now.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { abortOnSignals, withOperator } from './session.ts';
import { formatTable } from './table.ts';
import { warnRefused } from './warn-refused.ts';

/** Characters of a value in the table. */
const SHOWN = 40;

/** Where the hosts are otherwise than git declares, field by field. Exit code 2: something has drifted. */
export function drift(dir: string | undefined, options: GlobalOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const judged = await assessNow(operator, { dir }, abortOnSignals());
    warnRefused(judged);
    if (!judged.ok) {
      if (options.json) printJson({ v: 1, issues: judged.issues });
      else for (const issue of judged.issues) print(formatIssue(issue));
      return 1;
    }
    const { desired, observed } = judged;
    const differences = findDrift(desired, observed);
    const pending = pendingRestarts(desired.vms, observed);
    const unknown = [...observed.hosts.values()].filter((host) => host.kind === 'unknown');
    const unknownHosts = unknown.map(({ name, reason }) => ({ host: name, reason }));
    if (options.json) printJson({ v: 1, differences, pendingRestart: pending, unknownHosts });
    else print(text(differences, pending, unknownHosts));
    return differences.some(({ kind }) => kind === 'drift') ? 2 : 0;
  });
}

function text(
  differences: readonly Difference[],
  pending: readonly PendingRestart[],
  unknown: readonly { readonly host: string; readonly reason: string }[],
): string {
  const header = ['HOST', 'VM', 'FIELD', 'IN GIT', 'ON THE HOST', ''].map((cell) => colors.bold(cell));
  const rows = differences.map((difference) => [
    difference.host,
    difference.vm,
    difference.field,
    brief(difference.git),
    brief(difference.actual),
    consequence(difference),
  ]);
  return [
    rows.length === 0
      ? 'no drift: what git declares is so on every host that answers'
      : formatTable([header, ...rows]),
    ...pending.map(({ host, vm, reason }) => colors.dim(`pending restart of ${vm} on ${host}: ${reason}`)),
    ...unknown.map(({ host, reason }) => colors.yellow(`${host} is unknown: ${reason}`)),
  ].join('\n');
}

/** A description may have many lines. */
function brief(value: string): string {
  const line = value.replaceAll(/\s+/g, ' ');
  return line.length <= SHOWN ? line : `${line.slice(0, SHOWN - 1)}…`;
}

function consequence({ kind, policy }: Difference): string {
  if (kind === 'pending') return colors.dim('pending: git has changed');
  return policy === 'heal' ? colors.cyan('drift: will be put back') : colors.yellow('drift: only reported');
}
