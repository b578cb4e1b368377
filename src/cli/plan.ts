import { type Config, environment, loadConfig } from '../config.ts';
import { buildDesired } from '../core/build-desired.ts';
import { formatIssue } from '../core/issue.ts';
import { planMarkdown } from '../core/review/plan-markdown.ts';
import { exitCodeOf, notKnown, type PlanResult, planResult } from '../core/review/plan-result.ts';
import { type Merge, type MergeNames, mergeOfRepository } from '../git/merge.ts';
import { createLogger } from '../log.ts';
import { openMirror } from '../operator.ts';
import type { Snapshot } from '../ports.ts';
import { planMerge } from '../review/plan-merge.ts';
import { assessNow } from './assess-now.ts';
import { colors } from './colors.ts';
import { print, printJson } from './options.ts';
import { configIfAny, contextOf, scopeOf } from './own-config.ts';
import { planJson } from './plan-json.ts';
import { linkBaseOf, maxBytesOf, mergeNames, type PlanOptions } from './plan-options.ts';
import { planText } from './plan-text.ts';
import { abortOnSignals, withOperator } from './session.ts';

/** Shows what a pass would do, now or once a branch is merged. Exit code 2: it would do something. */
export async function plan(dir: string | undefined, options: PlanOptions): Promise<number> {
  const names = mergeNames(dir, options);
  const markdown = { linkBase: linkBaseOf(options), maxBytes: maxBytesOf(options) };
  const { result, folder } = options.offline
    ? await planOffline(names, options)
    : await planLive(dir, names, options);
  const format = options.json ? 'json' : (options.format ?? 'text');
  if (format === 'json') printJson(planJson(result));
  else if (format === 'text') printPlan(result);
  else print(planMarkdown(result, { ...markdown, folder }).trimEnd());
  return exitCodeOf(result);
}

interface Found {
  readonly result: PlanResult;
  /** Of the manifests, in the repository. */
  readonly folder: string;
}

function planLive(
  dir: string | undefined,
  names: MergeNames | undefined,
  options: PlanOptions,
): Promise<Found> {
  return withOperator(options, async ({ config, operator }) => {
    const signal = abortOnSignals();
    const { path: folder } = config.git;
    if (names === undefined) {
      const judged = await assessNow(operator, { dir, revision: options.revision }, signal);
      return { result: planResult(judged), folder };
    }
    const merge =
      options.repository === undefined
        ? await operator.mirror.merge(names, signal)
        : await mergeHere(options.repository, names, config, signal);
    const { build, hosts, clock } = operator.deps;
    const live = { observe: hosts.observe.bind(hosts), clock };
    return { result: await planMerge({ names, merge, build, live }, signal), folder };
  });
}

/** Needs no operator.yaml where the repository is at hand. */
async function planOffline(names: MergeNames | undefined, options: PlanOptions): Promise<Found> {
  if (names === undefined) throw new Error('an offline plan has names');
  const signal = abortOnSignals();
  const { repository } = options;
  const config = repository === undefined ? loadConfig(options.config) : configIfAny(options);
  const merge =
    repository === undefined && config !== undefined
      ? await openMirror(config, createLogger({ level: 'warn' })).merge(names, signal)
      : await mergeHere(repository ?? '.', names, config, signal);
  const context = contextOf(config);
  const build = ({ files }: Snapshot) => buildDesired(files, context);
  return { result: await planMerge({ names, merge, build }, signal), folder: scopeOf(config).folder };
}

function mergeHere(
  dir: string,
  names: MergeNames,
  config: Config | undefined,
  signal: AbortSignal,
): Promise<Merge> {
  return mergeOfRepository({ dir, env: environment(), scope: scopeOf(config) }, names, signal);
}

function printPlan({ title, issues, planned, merge }: PlanResult): void {
  print(`${colors.bold('plan')} ${title}\n`);
  if (planned !== undefined) {
    const { observed, assessment } = planned;
    print(planText({ ...assessment, observed }, colors));
    for (const warning of [...assessment.warnings, ...notKnown(assessment)])
      print(colors.yellow(`warning: ${warning}`));
  }
  for (const note of merge?.notes ?? []) print(colors.yellow(`to look at: ${note}`));
  if (merge?.offline !== undefined) {
    const { vms, added, removed, moved, changed } = merge.offline;
    for (const [what, list] of Object.entries({ added, removed, moved, changed }))
      if (list.length > 0) print(`${what}: ${list.join(', ')}`);
    print(`${colors.green('valid')}: ${vms} VMs; no host was asked`);
  }
  if (issues.length === 0) return;
  print(colors.red('\nthis commit would be refused:'));
  for (const issue of issues) print(`  ${formatIssue(issue)}`);
}
