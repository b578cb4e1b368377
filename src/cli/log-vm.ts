import type { Colors } from 'picocolors/types.js';
import type { Config } from '../config.ts';
import type { DesiredVm } from '../core/desired.ts';
import type { Revision } from '../core/report.ts';
import { doneToIt } from '../core/step-words.ts';
import { orderInWords } from '../core/suspension.ts';
import { formatTime } from '../core/time-words.ts';
import {
  linesAbout,
  type VmChange,
  type VmDeed,
  type VmRecord,
  vmChange,
  vmRecord,
} from '../core/vm-history.ts';
import { OperatorError } from '../errors.ts';
import { manifestCommits } from '../git/manifest-commits.ts';
import { readNotes } from '../git/notes-read.ts';
import type { Operator } from '../operator.ts';
import { vmsAt } from '../reconcile/vms-at.ts';

/** One commit in the life of a VM. */
export interface VmEntry {
  readonly revision: Revision;
  /** Absent: the commit is about something else, and yet something was done to the VM while it was in force. */
  readonly change?: VmChange;
  /** From the journal; absent: it knows nothing of the commit. */
  readonly record?: VmRecord;
  /** What the note says of the VM, where the journal knows nothing. */
  readonly note?: readonly string[];
}

/** Commits of which notes are read. */
const MAX_NOTES = 1_000;

/** Each commit that changed what git says of the VM, or under which something was done to it; newest first. */
export async function vmHistory(
  { operator, config }: { readonly operator: Operator; readonly config: Config },
  vm: string,
  signal: AbortSignal,
): Promise<readonly VmEntry[]> {
  await operator.mirror.fetch(signal);
  const { changes, hosts } = await changesOf(operator, config, vm, signal);
  const { entries } = await readNotes(operator.mirror, config.git.notesRef, MAX_NOTES, signal);
  const placeOf = placesBy(
    entries.map(({ revision }) => revision.sha),
    hosts,
  );
  const records = await recordsOf(operator, (sha) => ({ vm, host: placeOf.get(sha) }));
  const found = entries.flatMap(({ revision, note }): VmEntry[] => {
    const change = changes.get(revision.sha);
    const record = records.get(revision.sha);
    const isTouched =
      record !== undefined && record.deeds.length + record.held.length + record.orders.length > 0;
    if (change === undefined && !isTouched) return [];
    const lines = record === undefined && note !== undefined ? linesAbout(note, vm) : [];
    return [
      {
        revision,
        ...(change && { change }),
        ...(record && { record }),
        ...(lines.length > 0 && { note: lines }),
      },
    ];
  });
  if (found.length > 0) return found;
  throw new OperatorError(
    'E_USAGE',
    `no commit of ${config.git.branch} names a VM ${vm}, and nothing was done to one`,
  );
}

interface Changes {
  readonly changes: ReadonlyMap<string, VmChange>;
  /** By commit that changes manifests: the host of the VM; undefined: git does not have it. */
  readonly hosts: ReadonlyMap<string, string | undefined>;
}

/** By commit: how it changes the VM. One that is not valid says nothing, and its change counts for the next one that is. */
async function changesOf(
  { mirror, deps }: Operator,
  config: Config,
  vm: string,
  signal: AbortSignal,
): Promise<Changes> {
  const changes = new Map<string, VmChange>();
  const hosts = new Map<string, string | undefined>();
  let before: DesiredVm | undefined;
  for (const { sha } of (await manifestCommits(mirror, { folder: config.git.path }, signal)).toReversed()) {
    const vms = await vmsAt(deps.build, () => mirror.read(sha, signal));
    if (vms === undefined) continue;
    const after = vms.get(vm);
    const change = vmChange(before, after);
    if (change !== undefined) changes.set(sha, change);
    hosts.set(sha, after?.host);
    before = after;
  }
  return { changes, hosts };
}

/** The host of the VM by commit, newest first; one that changes no manifest leaves it where it was. */
function placesBy(
  commits: readonly string[],
  hosts: ReadonlyMap<string, string | undefined>,
): ReadonlyMap<string, string | undefined> {
  const places = new Map<string, string | undefined>();
  let host: string | undefined;
  for (const sha of commits.toReversed()) {
    if (hosts.has(sha)) host = hosts.get(sha);
    places.set(sha, host);
  }
  return places;
}

async function recordsOf(
  { journal }: Operator,
  placeOf: (sha: string) => Parameters<typeof vmRecord>[1],
): Promise<ReadonlyMap<string, VmRecord>> {
  const records = new Map<string, VmRecord>();
  for (const sha of await journal.commits()) {
    const record = vmRecord(await journal.of(sha), placeOf(sha));
    if (record !== undefined) records.set(sha, record);
  }
  return records;
}

/** For people: what git changed, what was done and when, and how the pass ended. */
export function historyText(entries: readonly VmEntry[], colors: Colors): string {
  return entries.map((entry) => entryText(entry, colors)).join('\n\n');
}

function entryText({ revision, change, record, note }: VmEntry, colors: Colors): string {
  const { sha, subject, author, date } = revision;
  const lines = [
    change === undefined ? colors.dim('git: no change of this VM') : `git: ${changeText(change)}`,
    ...(record?.deeds ?? []).map((deed) => deedText(deed, colors)),
    ...(record?.orders ?? []).map((order) => `${formatTime(order.at)}  ${orderInWords(order)}`),
    ...(record?.held ?? []).map(({ kind, host, because, reason }) =>
      colors.yellow(`held ${kind} on ${host} (${because}): ${reason}`),
    ),
    ...(note ?? []).map((line) => `note: ${line}`),
    ...(record === undefined
      ? note === undefined
        ? [colors.dim('nothing is known of a pass')]
        : []
      : [record.status]),
  ];
  return [
    `${colors.yellow(sha.slice(0, 12))} ${subject}  ${colors.dim(`${author}, ${date}`)}`,
    ...lines.map((line) => `    ${line}`),
  ].join('\n');
}

function changeText({ kind, fields }: VmChange): string {
  return fields.length === 0 ? kind : `${kind}: ${fields.join(', ')}`;
}

function deedText({ host, kind, reason, outcome, at, trigger, error }: VmDeed, colors: Colors): string {
  const when = formatTime(at);
  if (outcome === 'done') return `${when}  ${doneToIt(kind)} on ${host}: ${reason}  (${trigger})`;
  const why = error === undefined ? reason : `${error.code} ${error.message}`;
  return colors.red(`${when}  ${outcome} ${kind} on ${host}: ${why}  (${trigger})`);
}
