import { type Config, environment, findConfig, loadConfig } from '../config.ts';
import { buildDesired } from '../core/build-desired.ts';
import { formatIssue } from '../core/issue.ts';
import { type Merge, type MergeNames, mergeOfRepository } from '../git/merge.ts';
import { DEFAULT_LIMITS } from '../git/selection.ts';
import { createLogger } from '../log.ts';
import { buildContext, openMirror } from '../operator.ts';
import { assessNow } from './assess-now.ts';
import { colors } from './colors.ts';
import { print, printJson } from './options.ts';
import { planJson } from './plan-json.ts';
import { planMarkdown } from './plan-markdown.ts';
import { planMerge } from './plan-merge.ts';
import { linkBaseOf, maxBytesOf, mergeNames, type PlanOptions } from './plan-options.ts';
import { exitCodeOf, notKnown, type PlanResult, planResult } from './plan-result.ts';
import { planText } from './plan-text.ts';
import { abortOnSignals, withOperator } from './session.ts';

/** Shows what a pass would do, now or once a branch is merged. Exit code 2: it would do something. */
export async function plan(dir: string | undefined, options: PlanOptions): Promise<number> {
  const names = mergeNames(dir, options);
  const markdown = { linkBase: linkBaseOf(options), maxBytes: maxBytesOf(options) };
  const path = findConfig(options.config);
  const config = path === undefined ? undefined : loadConfig(path);
  const result = options.offline
    ? await planOffline(names, config, options)
    : await planLive(dir, names, options);
  const format = options.json ? 'json' : (options.format ?? 'text');
  if (format === 'json') printJson(planJson(result));
  else if (format === 'text') printPlan(result);
  else print(planMarkdown(result, { ...markdown, folder: config?.git.path ?? '' }).trimEnd());
  return exitCodeOf(result);
}

function planLive(
  dir: string | undefined,
  names: MergeNames | undefined,
  options: PlanOptions,
): Promise<PlanResult> {
  return withOperator(options, async ({ config, operator }) => {
    const signal = abortOnSignals();
    if (names === undefined)
      return planResult(await assessNow(operator, { dir, revision: options.revision }, signal));
    const merge =
      options.repository === undefined
        ? await operator.mirror.merge(names, signal)
        : await mergeHere(options.repository, names, config, signal);
    return planMerge({ names, merge, build: operator.deps.build, live: operator.deps }, signal);
  });
}

/** Needs no operator.yaml where the repository is at hand: the hosts are then those of cluster.yaml. */
async function planOffline(
  names: MergeNames | undefined,
  known: Config | undefined,
  { repository, config: path }: PlanOptions,
): Promise<PlanResult> {
  if (names === undefined) throw new Error('an offline plan has names');
  const signal = abortOnSignals();
  const config = repository === undefined ? (known ?? loadConfig(path)) : known;
  const context = config === undefined ? {} : buildContext(config);
  const merge =
    repository === undefined && config !== undefined
      ? await openMirror(config, createLogger({ level: 'warn' })).merge(names, signal)
      : await mergeHere(repository ?? '.', names, config, signal);
  return planMerge({ names, merge, build: ({ files }) => buildDesired(files, context) }, signal);
}

function mergeHere(
  dir: string,
  names: MergeNames,
  config: Config | undefined,
  signal: AbortSignal,
): Promise<Merge> {
  const scope = { folder: config?.git.path ?? '', limits: DEFAULT_LIMITS };
  return mergeOfRepository({ dir, env: environment(), scope }, names, signal);
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
