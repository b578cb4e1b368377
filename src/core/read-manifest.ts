import { z } from 'zod';
import { checkSchema, shown } from './check-schema.ts';
import type { Issue } from './issue.ts';
import { type Located, nodeAt, type Place, placeOf, toValue } from './located.ts';
import { groupSchema, type VmSpec, vmSpecSchema } from './manifest.ts';
import { issueAt, parseFile } from './parse-file.ts';
import type { SourceFile } from './source-file.ts';

/** A VM as it stands in a manifest, right or wrong. */
export interface DeclaredVm {
  readonly file: string;
  readonly host: string | undefined;
  readonly node: Located;
  /** The fields with which nothing is wrong. */
  readonly sound: Partial<VmSpec>;
  /** All of it, if nothing is wrong. */
  readonly spec?: VmSpec;
}

/** The name of a host in a manifest. */
export interface HostMention {
  readonly file: string;
  readonly host: string;
  readonly place: Place;
}

/** What one manifest, or several together, declare. */
export interface Declared {
  readonly vms: readonly DeclaredVm[];
  readonly hosts: readonly HostMention[];
  readonly issues: readonly Issue[];
}

/** The VMs of a group are looked at one by one, so that a mistake in one hides no other. */
const looseGroupSchema = groupSchema.extend({ vmspecs: z.array(z.unknown(), 'a list of VMs') });

/** Reads one manifest file; what is wrong in one place does not hide the rest. */
export function readManifest(source: SourceFile): Declared {
  const { path, root, issues } = parseFile(source);
  if (root === undefined) return { vms: [], hosts: [], issues };
  if (root.kind !== 'list') return { vms: [], hosts: [], issues: [...issues, notAList(path, root)] };
  return join([{ vms: [], hosts: [], issues }, ...root.items.map((group) => readGroup(path, group))]);
}

/** Puts together what several files or groups declare. */
export function join(parts: readonly Declared[]): Declared {
  return {
    vms: parts.flatMap(({ vms }) => vms),
    hosts: parts.flatMap(({ hosts }) => hosts),
    issues: parts.flatMap(({ issues }) => issues),
  };
}

/** How messages call a VM: by its name, if it has one. */
export function vmLabel(node: Located): string {
  const name = nodeAt(node, ['name']);
  const value = name === undefined ? undefined : toValue(name);
  return typeof value === 'string' && /^[\w.-]{1,63}$/.test(value) ? value : 'this VM';
}

function notAList(file: string, root: Located): Issue {
  const isCluster = nodeAt(root, ['cluster']) !== undefined;
  const hint = isCluster
    ? 'cluster.yaml belongs to the root of the repository'
    : 'begin with - host: NAME, or [{"host": "NAME", ...';
  const message = `expected a list of objects with "host" and "vmspecs", got ${shown(toValue(root))}`;
  return issueAt(file, root.place, message, hint);
}

function readGroup(file: string, group: Located): Declared {
  const { sound, issues } = checkSchema(looseGroupSchema, group, file);
  const vmspecs = nodeAt(group, ['vmspecs']);
  const vms = vmspecs?.kind === 'list' ? vmspecs.items.map((node) => readVm(file, sound.host, node)) : [];
  const hosts = sound.host === undefined ? [] : [{ file, host: sound.host, place: placeOf(group, ['host']) }];
  return { vms: vms.map(({ vm }) => vm), hosts, issues: [...issues, ...vms.flatMap((vm) => vm.issues)] };
}

function readVm(
  file: string,
  host: string | undefined,
  node: Located,
): { vm: DeclaredVm; issues: readonly Issue[] } {
  const { value, sound, issues } = checkSchema(vmSpecSchema, node, file, vmLabel(node));
  return { vm: { file, host, node, sound, ...(value === undefined ? {} : { spec: value }) }, issues };
}
