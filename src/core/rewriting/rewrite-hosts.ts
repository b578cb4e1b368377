import { toValue } from '../located.ts';
import { type DeclaredVm, readManifest } from '../read-manifest.ts';
import type { SourceFile } from '../source-file.ts';
import { type ManifestOutline, outlineOf } from './manifest-outline.ts';
import { moveEntry, renameHost } from './move-entry.ts';
import { applyEdits } from './text-edits.ts';

/** VMs with the hosts that they go to. */
export type Moves = ReadonlyMap<string, string>;

export type Rewritten =
  | { readonly ok: true; readonly files: readonly SourceFile[] }
  | { readonly ok: false; readonly problem: string };

/**
 * The manifests, with VMs under other hosts and every other byte as it was. A group whose VMs all go to one host gets that
 * host's name; else the lines of a VM go, with their comments, to a group of that host in the same file. What comes of it is
 * read again: unless it says the same of everything but those hosts, there is no result.
 */
export function rewriteHosts(manifests: readonly SourceFile[], moves: Moves): Rewritten {
  const files: SourceFile[] = [];
  for (const file of manifests) {
    const concerned = readManifest(file).vms.filter(
      ({ sound: { name = '' }, host }) => moves.has(name) && moves.get(name) !== host,
    );
    if (concerned.length === 0) continue;
    const names = concerned.map(({ sound: { name = '' } }) => name);
    const content = rewrite(file, new Map([...moves].filter(([name]) => names.includes(name))));
    const after = content === undefined ? undefined : { path: file.path, content };
    if (after === undefined || !saysTheSame(file, after, moves)) {
      const problem = `${file.path}: the lines of ${names.join(', ')} are written so that they cannot be moved by themselves: move them by hand`;
      return { ok: false, problem };
    }
    files.push(after);
  }
  return { ok: true, files };
}

function rewrite({ path, content }: SourceFile, moves: Moves): string | undefined {
  const outline = outlineOf({ path, content });
  if (outline === undefined) return undefined;
  const renamed = renameGroups(content, outline, moves);
  let text = renamed.text;
  for (const [name, host] of moves) {
    if (renamed.done.has(name)) continue;
    const moved = moveOne({ path, content: text }, name, host);
    if (moved === undefined) return undefined;
    text = moved;
  }
  return text;
}

function renameGroups(text: string, { groups }: ManifestOutline, moves: Moves) {
  const done = new Set<string>();
  const edits = groups.flatMap((group) => {
    const names = group.vms.items.map(({ name }) => name);
    const targets = new Set(names.map((name) => moves.get(name)));
    const [target] = targets;
    if (target === undefined || targets.size > 1 || group.host.isAnchor) return [];
    for (const name of names) done.add(name);
    return [renameHost(group, target, text)];
  });
  return { text: applyEdits(text, edits), done };
}

function moveOne(file: SourceFile, name: string, host: string): string | undefined {
  const outline = outlineOf(file);
  if (outline === undefined) return undefined;
  const manifest = { text: file.content, outline };
  for (const group of outline.groups) {
    const vm = group.vms.items.find((item) => item.name === name);
    if (vm === undefined) continue;
    const edits = moveEntry(manifest, { group, vm }, host);
    return edits === undefined ? undefined : applyEdits(file.content, edits);
  }
  return undefined;
}

function saysTheSame(before: SourceFile, after: SourceFile, moves: Moves): boolean {
  const read = readManifest(after);
  const wanted = readManifest(before).vms.map((vm) =>
    sentence(vm, moves.get(vm.sound.name ?? '') ?? vm.host),
  );
  const found = read.vms.map((vm) => sentence(vm, vm.host));
  return read.issues.length === 0 && wanted.toSorted().join('\n') === found.toSorted().join('\n');
}

function sentence({ node }: DeclaredVm, host: string | undefined): string {
  return JSON.stringify([host, toValue(node)]);
}
