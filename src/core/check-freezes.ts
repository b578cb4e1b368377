import type { Cluster } from './cluster.ts';
import { instantOf, nextStart } from './freeze-time.ts';
import type { Issue } from './issue.ts';
import { type Located, placeOf } from './located.ts';
import { issueAt } from './parse-file.ts';
import { durationMinutes } from './resolve-freezes.ts';
import { didYouMean } from './suggest.ts';

type Written = NonNullable<Cluster['freeze']>[number];

interface Spot {
  readonly file: string;
  readonly root: Located;
  readonly path: readonly (string | number)[];
}

const ONE_FORM = 'expected "start" and "duration" for a window that comes again, or "from" and "to" for one';

/** What is wrong with the freeze windows of cluster.yaml beyond the form of their fields. */
export function freezeIssues(
  file: string,
  root: Located,
  {
    freeze = [],
    hosts,
  }: { readonly freeze?: Cluster['freeze']; readonly hosts?: readonly string[] | undefined },
): Issue[] {
  const names = freeze.map(({ name }) => name);
  return freeze.flatMap((one, index) => {
    const spot = { file, root, path: ['freeze', index] };
    const twin =
      names.indexOf(one.name) < index ? [issue(spot, 'name', `there is a freeze "${one.name}" before`)] : [];
    const unknown = (one.hosts ?? []).flatMap((host, at) =>
      hosts === undefined || hosts.includes(host)
        ? []
        : [
            issue(
              { ...spot, path: [...spot.path, 'hosts'] },
              at,
              `no host "${host}"${didYouMean(host, hosts)}`,
            ),
          ],
    );
    return [...twin, ...timeIssues(spot, one), ...unknown];
  });
}

function timeIssues(spot: Spot, one: Written): Issue[] {
  const { start, duration, from, to, timezone = 'UTC' } = one;
  const isRepeated = start !== undefined && duration !== undefined && from === undefined && to === undefined;
  const isOnce = from !== undefined && to !== undefined && start === undefined && duration === undefined;
  if (!isRepeated && !isOnce)
    return [issueAt(spot.file, placeOf(spot.root, spot.path), `freeze "${one.name}": ${ONE_FORM}`)];
  const zone = problemOf(() => new Intl.DateTimeFormat('en-US', { timeZone: timezone }).format(new Date(0)));
  if (zone !== undefined)
    return [
      issue(spot, 'timezone', `"${timezone}" is no time zone: expected one such as Europe/Berlin or UTC`),
    ];
  return isRepeated
    ? startIssues(spot, { start, timezone, durationMin: durationMinutes(duration) })
    : onceIssues(spot, { from: from ?? '', to: to ?? '', timezone });
}

function startIssues(
  spot: Spot,
  time: { readonly start: string; readonly timezone: string; readonly durationMin: number },
): Issue[] {
  let next: Date | undefined;
  const problem = problemOf(() => {
    next = nextStart({ kind: 'repeated', ...time }, new Date(0));
  });
  const form = 'expected five fields of cron, such as "0 18 * * 5" for Friday 18:00';
  if (problem !== undefined)
    return [issue(spot, 'start', `"${time.start}": ${problem.replace(/^CronPattern: /, '')}; ${form}`)];
  return next === undefined ? [issue(spot, 'start', `"${time.start}" never comes; ${form}`)] : [];
}

function onceIssues(
  spot: Spot,
  { from, to, timezone }: { readonly from: string; readonly to: string; readonly timezone: string },
): Issue[] {
  const wrong = Object.entries({ from, to }).filter(([, text]) => !isTime(text, timezone));
  if (wrong.length > 0)
    return wrong.map(([key, text]) =>
      issue(spot, key, `"${text}" is no time: expected one such as 2026-12-20T18:00`),
    );
  if (instantOf(from, timezone) < instantOf(to, timezone)) return [];
  return [issue(spot, 'to', `${to} is not after ${from}`)];
}

function isTime(text: string, timezone: string): boolean {
  return problemOf(() => instantOf(text, timezone)) === undefined;
}

function issue({ file, root, path }: Spot, key: string | number, message: string): Issue {
  const place = [...path, key];
  return issueAt(
    file,
    placeOf(root, place),
    `${place.filter((part) => typeof part === 'string').join('.')}: ${message}`,
  );
}

function problemOf(attempt: () => unknown): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
