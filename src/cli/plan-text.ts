import type { Colors } from 'picocolors/types.js';
import { confirmationText } from '../core/note.ts';
import type { ObservedState } from '../core/observed.ts';
import { countKinds } from '../core/review/count-kinds.ts';
import type { PendingRestart } from '../core/size.ts';
import { type Held, type Plan, type Step, type StepKind, subjectOf } from '../core/step.ts';
import { STEP_WORDS } from '../core/step-words.ts';
import { formatTable } from './table.ts';

/** What a plan is shown with. */
export interface ShownPlan {
  readonly plan: Plan;
  readonly observed: ObservedState;
  readonly pendingRestart: readonly PendingRestart[];
}

/** A plan for people: per host what is done, then what is held and why, what waits for a restart, then the counts. */
export function planText({ plan, observed, pendingRestart }: ShownPlan, colors: Colors): string {
  const unknown = [...observed.hosts.values()].filter((host) => host.kind === 'unknown');
  const sections = [
    ...[...new Set(plan.steps.map(({ host }) => host))].toSorted().map(
      (host) =>
        `${colors.bold(host)}\n${stepLines(
          plan.steps.filter((step) => step.host === host),
          colors,
        )}`,
    ),
    ...(plan.held.length === 0
      ? []
      : [`${colors.bold('held')}\n${plan.held.map((h) => heldLine(h, colors)).join('\n')}`]),
    ...(pendingRestart.length === 0
      ? []
      : [
          `${colors.bold('pending restart')}\n${pendingRestart.map((one) => pendingLine(one, colors)).join('\n')}`,
        ]),
    ...unknown.map(({ name, isOffline, reason }) =>
      isOffline
        ? colors.yellow(`${name} is offline (cluster.yaml): it is not asked, and its VMs are left alone`)
        : colors.yellow(`${name} is unknown, its VMs are left alone: ${reason}`),
    ),
    ...(observed.names?.kind === 'unknown'
      ? [colors.yellow(`names are unknown, dnsmasq is left as it is: ${observed.names.reason}`)]
      : []),
    summary(plan, unknown.length > 0),
  ];
  return sections.join('\n\n');
}

/** `6 to create, 6 to start` or `nothing to do` */
function summary({ steps, held, confirmation }: Plan, blind: boolean): string {
  const parts = countKinds(steps);
  if (held.length > 0) parts.push(`${held.length} held`);
  const hosts = blind ? 'the hosts that answer' : 'the hosts';
  const text = parts.length === 0 ? `nothing to do: ${hosts} are as git wants them` : parts.join(', ');
  return confirmation === undefined ? text : `${text}\n${confirmationText(confirmation)}`;
}

function stepLines(steps: readonly Step[], colors: Colors): string {
  return formatTable(
    steps.map((step) => [
      `  ${paint(step.kind, `${STEP_WORDS[step.kind].sign} ${step.kind}`, colors)}`,
      subjectOf(step),
      colors.dim(step.after === undefined ? step.reason : `${step.reason}; after ${step.after.join(', ')}`),
    ]),
  );
}

function heldLine({ host, subject, kind, because, reason }: Held, colors: Colors): string {
  return `  ${colors.yellow(`${kind} ${subject} on ${host}`)} (${because}): ${reason}`;
}

/** Where git allows a restart and the plan has none, it is held, or a person has the power of the VM. */
function pendingLine({ host, vm, reason, restart }: PendingRestart, colors: Colors): string {
  const hint =
    restart === 'never'
      ? ' (restart: never; shut it down and git starts it again, or set restart: allowed)'
      : '';
  return `  ${colors.yellow(`${vm} on ${host}`)}: ${reason}, from its next start on${hint}`;
}

function paint(kind: StepKind, text: string, colors: Colors): string {
  const { sign } = STEP_WORDS[kind];
  if (sign === '-' || sign === '!') return colors.red(text);
  return sign === '+' ? colors.green(text) : colors.cyan(text);
}
