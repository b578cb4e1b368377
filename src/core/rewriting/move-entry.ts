import { stringify } from 'yaml';
import { type BracketItem, itemOf, putIn, shiftRest, takeOut } from './bracket-list.ts';
import { columnOf, entryLines, entryWithGap, isSpaced } from './entry-lines.ts';
import type { GroupOutline, ManifestOutline, VmOutline } from './manifest-outline.ts';
import { deletion, type Edit, eolOf, insertion, insertLines, nextLine, shiftLines } from './text-edits.ts';

/** The entry of a VM, and the group that it stands in. */
export interface Entry {
  readonly group: GroupOutline;
  readonly vm: VmOutline;
}

interface Manifest {
  readonly text: string;
  readonly outline: ManifestOutline;
}

/**
 * Moves the entry of a VM, with its comments, to the end of the last group of that host in the same file, or to a new group at
 * the end. A group that becomes empty stays. Undefined where the entry is written so that it takes a person.
 */
export function moveEntry(manifest: Manifest, entry: Entry, host: string): readonly Edit[] | undefined {
  const out = removal(manifest, entry);
  const group = manifest.outline.groups.findLast(
    (other) => other !== entry.group && other.host.name === host && canTake(manifest.text, other, entry),
  );
  const added = group === undefined ? newGroup(manifest, entry, host) : addTo(group, manifest, entry);
  return out === undefined || added === undefined ? undefined : [...out, ...added];
}

/** Names another host in a group. */
export function renameHost({ host }: GroupOutline, name: string, text: string): Edit {
  return { start: host.start, end: host.end, text: scalarLike(text.slice(host.start, host.end), name) };
}

function removal({ text }: Manifest, { group, vm }: Entry): readonly Edit[] | undefined {
  const { vms } = group;
  if (vms.style === 'flow') return takeOut(text, vms, vms.items.indexOf(vm));
  const { start, end } = entryWithGap(text, vm);
  const lines = { start, end, text: '' };
  return vms.items.length > 1 ? [lines] : [insertion(vms.keyEnd, ' []'), lines];
}

/** Lines with dashes do not go into brackets. */
function canTake(text: string, { style, vms }: GroupOutline, entry: Entry): boolean {
  if (entry.group.vms.style === 'flow' && vms.items.length > 0) return true;
  const isEmpty = text.slice(vms.start + 1, vms.end - 1).trim() === '';
  if (entry.group.vms.style === 'flow') return isEmpty;
  return vms.style === 'block' || (style === 'block' && vms.items.length === 0 && isEmpty);
}

function addTo(group: GroupOutline, manifest: Manifest, entry: Entry): readonly Edit[] | undefined {
  const { text } = manifest;
  const { vms, keys } = group;
  if (entry.group.vms.style === 'flow') {
    if (vms.style === 'flow') return putIn(text, vms, itemOf(text, entry.group.vms, entry.vm));
    const last = vms.items.at(-1);
    if (last === undefined) return undefined;
    const column = columnOf(text, last);
    return [
      insertLines(
        text,
        entryLines(text, last).end,
        dashed(itemOf(text, entry.group.vms, entry.vm), column, eolOf(text)),
      ),
    ];
  }
  const own = columnOf(text, entry.vm);
  const last = vms.items.at(-1);
  if (last !== undefined) {
    const gap = isSpaced(text, vms.items) ? eolOf(text) : '';
    const lines = linesOf(text, entry, columnOf(text, last) - own);
    return [insertLines(text, entryLines(text, last).end, gap + lines)];
  }
  // `vmspecs: []`: as far in from its key as it was.
  const column = columnOf(text, { start: keys, end: keys });
  const lines = linesOf(text, entry, column - columnOf(text, { start: entry.group.keys, end: 0 }));
  const after = nextLine(text, vms.end);
  return [deletion({ start: vms.keyEnd, end: vms.end }), insertLines(text, after, lines)];
}

/** In the style of the group that the VM leaves. */
function newGroup(manifest: Manifest, entry: Entry, host: string): readonly Edit[] | undefined {
  const { text, outline } = manifest;
  const { group } = entry;
  const last = outline.groups.at(-1);
  if (last === undefined) return undefined;
  const flow = bracketGroup(manifest, entry, host);
  if (outline.style === 'flow') {
    const item = { ...itemOf(text, outline, group), text: flow };
    return putIn(text, { ...outline, items: outline.groups }, item);
  }
  const eol = eolOf(text);
  const gap = isSpaced(text, outline.groups) ? eol : '';
  const column = columnOf(text, group);
  const keys = columnOf(text, { start: group.keys, end: group.keys });
  const dash = `${' '.repeat(column)}-${' '.repeat(Math.max(1, keys - column - 1))}`;
  const head = `${dash}host: ${scalarLike(text.slice(group.host.start, group.host.end), host)}${eol}${' '.repeat(keys)}vmspecs:`;
  const lines =
    group.style === 'flow'
      ? `${dash}${flow}${eol}`
      : group.vms.style === 'flow'
        ? `${head} ${bracketed(text, entry)}${eol}`
        : `${head}${eol}${linesOf(text, entry, 0)}`;
  return [insertLines(text, entryLines(text, last).end, gap + lines)];
}

/** The group in brackets with that one VM, as if the others had been taken out: or in plain, where there are comments. */
function bracketGroup({ text }: Manifest, entry: Entry, name: string): string {
  const { keys: start, end, vms, host } = entry.group;
  const [head, tail] = [text.slice(start, vms.start), text.slice(vms.end, end)];
  const renamed = scalarLike(text.slice(host.start, host.end), name);
  const list = bracketed(text, entry);
  if (/[#&*]/.test(head + tail)) return `{host: ${renamed}, vmspecs: ${list}}`;
  const isFirst = host.start < vms.start;
  const replace = (part: string, from: number) =>
    part.slice(0, host.start - from) + renamed + part.slice(host.end - from);
  return (isFirst ? replace(head, start) : head) + list + (isFirst ? tail : replace(tail, vms.end));
}

function bracketed(text: string, { group: { vms }, vm }: Entry): string {
  const open = text.slice(vms.start, vms.items[0]?.start);
  const close = text.slice(vms.items.at(-1)?.end, vms.end).replace(/^\s*,/, '');
  const item = text.slice(vm.start, vm.end);
  return (open + close).includes('#') ? `[${item}]` : open + item + close;
}

function dashed(item: BracketItem, column: number, eol: string): string {
  const indent = ' '.repeat(column);
  return `${indent}- ${shiftRest(item.text, item.indent, `${indent}  `)}${eol}`;
}

function linesOf(text: string, { vm }: Entry, by: number): string {
  const { start, end } = entryLines(text, vm);
  const lines = text.slice(start, end);
  return shiftLines(lines.endsWith('\n') ? lines : lines + eolOf(text), by);
}

/** The name, quoted as the other one is, or if YAML would take it for something else. */
function scalarLike(written: string, name: string): string {
  if (written.startsWith('"')) return JSON.stringify(name);
  return written.startsWith("'") ? `'${name}'` : stringify(name).trim();
}
