import type { HostCapacity } from '../capacity.ts';
import { formatBytes, formatMiB } from '../capacity-check.ts';
import type { Issue } from '../issue.ts';
import type { ObservedState } from '../observed.ts';
import { type Held, type Step, subjectOf } from '../step.ts';
import { impactOf } from '../step-impact.ts';
import { countKinds } from './count-kinds.ts';
import { headline, splitSteps } from './headline.ts';
import { code, codeLink, folded, htmlCode, table, urlPath } from './markdown.ts';
import { type MergedPlan, notKnown, type Planned, type PlanResult } from './plan-result.ts';

export interface MarkdownOptions {
  /** Where the files of the branch are shown. `{file}` and `{line}` are filled in; else `/FILE#LLINE` is put after it. */
  readonly linkBase?: string | undefined;
  /** Folder of the manifests in the repository, for those links. */
  readonly folder: string;
  readonly maxBytes: number;
  /** Line by which the comment is found again that a plan was written into. */
  readonly marker?: string | undefined;
  /** Others than the operator's own people may read it: why a host does not answer names its address. */
  readonly isPublic?: boolean | undefined;
  /** Some may confirm removals by a comment where it is shown. */
  readonly canConfirmHere?: boolean | undefined;
}

const MARKER = '<!-- kvm-gitops plan -->';
/** More steps than this are folded. */
const SHOWN_STEPS = 30;
/** How many rows each table and list has, the first of these with which it all fits. */
const ROWS = [Number.POSITIVE_INFINITY, 500, 200, 100, 50, 20, 5, 0];

/** A plan as a comment of a pull request. Nothing that a manifest says is more than text in it. */
export function planMarkdown(result: PlanResult, options: MarkdownOptions): string {
  const fits = (text: string) => Buffer.byteLength(text) <= options.maxBytes;
  for (const rows of ROWS) {
    const text = render(result, { ...options, rows });
    if (fits(text)) return text;
  }
  return join([options.marker ?? MARKER, heading(result), 'The plan is too long to be shown here.']);
}

interface Rendering extends MarkdownOptions {
  readonly rows: number;
}

function render(result: PlanResult, rendering: Rendering): string {
  const { planned, merge, issues } = result;
  return join([
    rendering.marker ?? MARKER,
    heading(result),
    merge && mergeLine(merge),
    problems(issues, rendering),
    planned && confirmation(planned, rendering),
    merge && list('To look at', merge.notes.map(code), rendering.rows),
    merge?.offline && offlineLine(merge.offline),
    planned && plannedText(planned, merge, rendering),
  ]);
}

function join(parts: readonly (string | undefined)[]): string {
  return `${parts.filter((part) => part !== undefined && part !== '').join('\n\n')}\n`;
}

function heading(result: PlanResult): string {
  return `### kvm-gitops: ${headline(result)}`;
}

function mergeLine({ base, head }: MergedPlan): string {
  const named = ({ name, revision }: MergedPlan['base']) =>
    `${code(name)} (${code(revision.sha.slice(0, 12))})`;
  return `What follows once ${named(head)} is merged into ${named(base)}. The policy is that of ${code(base.name)}.`;
}

function problems(issues: readonly Issue[], rendering: Rendering): string {
  const lines = issues.map((issue) => {
    const place = [issue.file, issue.line, issue.column].filter((part) => part !== undefined).join(':');
    const hint = issue.hint === undefined ? '' : ` (${code(issue.hint)})`;
    return `${codeLink(place, linkTo(issue, rendering))}: ${code(issue.message)}${hint}`;
  });
  return list('Problems', lines, rendering.rows);
}

function linkTo({ file, line }: Issue, { linkBase, folder }: Rendering): string | undefined {
  if (linkBase === undefined) return undefined;
  const path = urlPath(folder === '' ? file : `${folder}/${file}`);
  if (linkBase.includes('{file}')) {
    return linkBase.replaceAll('{file}', path).replaceAll('{line}', String(line ?? 1));
  }
  return `${linkBase.replace(/\/+$/, '')}/${path}${line === undefined ? '' : `#L${line}`}`;
}

function confirmation(
  { assessment: { plan } }: Planned,
  { canConfirmHere = false }: Rendering,
): string | undefined {
  if (plan.confirmation === undefined) return undefined;
  const count = plan.held.filter(({ because }) => because === 'guard').length;
  return (
    `**To confirm:** ${count === 1 ? 'a removal waits' : `${count} removals wait`} for a person. After the merge, once a pass has held them back, on the ` +
    `operator's machine: \`kvm-gitops confirm ${plan.confirmation}\`` +
    (canConfirmHere ? `, or here, as a comment: \`/kvm-gitops confirm ${plan.confirmation}\`` : '')
  );
}

function offlineLine({ added, removed, moved, changed }: NonNullable<MergedPlan['offline']>): string {
  const parts = Object.entries({ added, removed, moved, changed }).filter(([, names]) => names.length > 0);
  const lines = parts.map(([what, names]) => `- ${names.length} ${what}: ${some(names)}`);
  const changes = lines.length === 0 ? 'No VM changes.' : lines.join('\n');
  return `${changes}\n\nNo host was asked: capacity and what is there now were not looked at.`;
}

function some(names: readonly string[]): string {
  const rest = names.length - 20;
  return names.slice(0, 20).map(code).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

function plannedText({ observed, assessment }: Planned, merge: MergedPlan | undefined, rendering: Rendering) {
  const { plan, warnings, pendingRestart, capacity, shortages } = assessment;
  const { own, pending } = splitSteps(plan, merge);
  const shortOf = new Set(shortages.map(({ host }) => host));
  const touched = new Set([...own.map(({ host }) => host), ...shortOf]);
  const { rows } = rendering;
  return join([
    list('Warnings', [...warnings, ...notKnown(assessment)].map(code), rows),
    impactLine(own),
    hostTables(own, rows),
    titled('Held', limitedTable(HELD, plan.held.map(heldRow), rows)),
    titled(
      'Pending restart: shown from the next start on',
      limitedTable(
        ['VM', 'Host', 'Why', 'restart'],
        pendingRestart.map(({ vm, host, reason, restart }) => [code(vm), code(host), code(reason), restart]),
        rows,
      ),
    ),
    titled(
      'Capacity',
      capacityTable(
        capacity.filter(({ host }) => touched.has(host)),
        rows,
      ),
    ),
    pending.length === 0
      ? ''
      : folded(
          `Not of this change, and waiting already: ${countKinds(pending).join(', ')}`,
          hostTable(pending, rows),
        ),
    list('Unknown hosts, whose VMs are left alone', unknownLines(observed, rendering), rows),
  ]).trimEnd();
}

function titled(title: string, content: string): string {
  return content === '' ? '' : `**${title}**\n\n${content}`;
}

function list(title: string, lines: readonly string[], rows: number): string {
  if (lines.length === 0) return '';
  const more = lines.length > rows ? [`and ${lines.length - rows} more`] : [];
  return `**${title}**\n\n${[...lines.slice(0, rows), ...more].map((line) => `- ${line}`).join('\n')}`;
}

function limitedTable(head: readonly string[], rows: readonly (readonly string[])[], limit: number): string {
  if (rows.length === 0) return '';
  const more = rows.length > limit ? `\n\n${rows.length - limit} more rows are left out.` : '';
  return (limit === 0 ? '' : table(head, rows.slice(0, limit))) + more;
}

/** What of it those notice who use the VMs. */
function impactLine(steps: readonly Step[]): string {
  const counts = new Map<string, number>();
  for (const { kind } of steps.map(impactOf))
    if (kind !== 'none') counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts.size === 0
    ? ''
    : `**Impact:** ${[...counts].map(([kind, count]) => `${kind} ${count}`).join(', ')}`;
}

/** A table for each host, folded where there is much. */
function hostTables(steps: readonly Step[], rows: number): string {
  const hosts = [...new Set(steps.map(({ host }) => host))].toSorted();
  if (rows === 0)
    return steps.length === 0 ? '' : `${steps.length} steps on ${hosts.length} hosts are left out.`;
  return (
    join(
      hosts.slice(0, rows).map((host) => {
        const here = steps.filter((step) => step.host === host);
        const content = hostTable(here, rows);
        if (steps.length <= SHOWN_STEPS) return `**${code(host)}**\n\n${content}`;
        return folded(`${htmlCode(host)}: ${countKinds(here).join(', ')}`, content);
      }),
    ).trimEnd() + (hosts.length > rows ? `\n\n${hosts.length - rows} more hosts are left out.` : '')
  );
}

function hostTable(steps: readonly Step[], rows: number): string {
  return limitedTable(['Step', 'What', 'Impact', 'Why'], steps.map(stepRow), rows);
}

function stepRow(step: Step): string[] {
  const { kind, until } = impactOf(step);
  const impact =
    kind === 'removal' ? `removed, kept until ${until?.slice(0, 10) ?? 'its date'}` : IMPACT_WORDS[kind];
  return [step.kind, code(subjectOf(step)), impact, code(step.reason)];
}

const IMPACT_WORDS = {
  none: 'none',
  restart: '**restart**',
  outage: '**outage**',
  deletion: '**deleted for good**',
} as const;

const HELD = ['Held', 'What', 'Host', 'Because', 'Why'];

function heldRow({ kind, subject, host, because, reason }: Held): string[] {
  return [kind, code(subject), code(host), because, code(reason)];
}

function capacityTable(capacity: readonly HostCapacity[], rows: number): string {
  return limitedTable(
    ['Host', 'Of', 'Before', 'After', 'To give'],
    capacity.flatMap(({ host, vcpus, memoryMiB, pools }) => [
      capacityRow(host, 'vcpus', vcpus, String),
      capacityRow(host, 'memory', memoryMiB, formatMiB),
      ...pools.map((pool) => capacityRow(host, `pool ${pool.name}`, pool, formatBytes)),
    ]),
    rows,
  );
}

function capacityRow(
  host: string,
  of: string,
  { used, wanted, limit }: HostCapacity['vcpus'],
  format: (value: number) => string,
): string[] {
  const after = wanted > limit ? `**${format(wanted)}**` : format(wanted);
  return [code(host), code(of), format(used), after, format(limit)];
}

function unknownLines({ hosts, names }: ObservedState, { isPublic = false }: Rendering): string[] {
  const why = (reason: string): string => (isPublic ? 'does not answer' : code(reason));
  return [
    ...[...hosts.values()].flatMap((host) =>
      host.kind === 'unknown' ? [`${code(host.name)}: ${why(host.reason)}`] : [],
    ),
    ...(names?.kind === 'unknown' ? [`dnsmasq: ${why(names.reason)}`] : []),
  ];
}
