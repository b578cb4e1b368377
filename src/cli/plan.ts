import { type Assessment, refusals } from '../core/assess.ts';
import { formatIssue, type Issue } from '../core/issue.ts';
import { type Step, stepId, subjectOf } from '../core/step.ts';
import { assessNow, type Judged } from './assess-now.ts';
import { colors } from './colors.ts';
import { type GlobalOptions, print, printJson } from './options.ts';
import { planText } from './plan-text.ts';
import { abortOnSignals, withOperator } from './session.ts';

interface PlanOptions extends GlobalOptions {
  readonly revision?: string;
}

/** Shows what a pass would do. Exit code 2: it would do something. */
export function plan(dir: string | undefined, options: PlanOptions): Promise<number> {
  return withOperator(options, async ({ operator }) => {
    const judged = await assessNow(operator, { dir, revision: options.revision }, abortOnSignals());
    const issues = judged.ok ? refusals(judged.assessment, judged.desired, judged.observed) : judged.issues;
    if (options.json) printJson(planJson(judged, issues));
    else printPlan(judged, issues);
    if (!judged.ok || issues.length > 0) return 1;
    const { steps, held } = judged.assessment.plan;
    return steps.length > 0 || held.length > 0 ? 2 : 0;
  });
}

function printPlan(judged: Judged, issues: readonly Issue[]): void {
  print(`${colors.bold('plan')} ${judged.title}\n`);
  if (judged.ok) print(planText({ ...judged.assessment, observed: judged.observed }, colors));
  if (judged.ok)
    for (const warning of [...judged.assessment.warnings, ...notKnown(judged.assessment)])
      print(colors.yellow(`warning: ${warning}`));
  if (issues.length === 0) return;
  print(colors.red('\nthis commit would be refused:'));
  for (const issue of issues) print(`  ${formatIssue(issue)}`);
}

/** What capacity could not be checked against. */
function notKnown({ capacity }: Assessment): string[] {
  return capacity.flatMap(({ host, unknown }) => unknown.map((sentence) => `host ${host}: ${sentence}`));
}

function planJson(judged: Judged, issues: readonly Issue[]): unknown {
  if (!judged.ok) return { v: 1, accepted: false, issues };
  const { pendingRestart } = judged.assessment;
  const { steps, held, confirmation } = judged.assessment.plan;
  const unknown = [...judged.observed.hosts.values()].filter((host) => host.kind === 'unknown');
  return {
    v: 1,
    accepted: issues.length === 0,
    issues,
    steps: steps.map(stepJson),
    held,
    pendingRestart,
    confirmation,
    notKnown: notKnown(judged.assessment),
    unknownHosts: unknown.map(({ name, reason }) => ({ host: name, reason })),
    ...(judged.observed.names?.kind === 'unknown' && { unknownNames: judged.observed.names.reason }),
  };
}

/** What is shown of a step: never the whole, which may hold what only the host is to know. */
function stepJson(step: Step) {
  const { kind, host, reason, after } = step;
  return {
    id: stepId(step),
    kind,
    host,
    subject: subjectOf(step),
    reason,
    ...(after !== undefined && { after }),
  };
}
