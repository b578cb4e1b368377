import type { SourceFile } from '../source-file.ts';
import { outlineJson } from './outline-json.ts';
import { outlineYaml } from './outline-yaml.ts';
import type { Span } from './text-edits.ts';

/** `block`: lines that begin with a dash; `flow`: brackets and commas, as all of JSON. */
export type Style = 'block' | 'flow';

/** Where the parts of a manifest stand in its text: what it takes to move some without touching the rest. */
export interface ManifestOutline extends Span {
  readonly style: Style;
  readonly groups: readonly GroupOutline[];
}

/** Of an entry of a list with dashes, `start` is its dash. Anchors and tags are part of it; comments beside it are not. */
export interface GroupOutline extends Span {
  readonly style: Style;
  readonly host: HostOutline;
  /** Where its first key begins, or its brace. */
  readonly keys: number;
  readonly vms: VmsOutline;
}

export interface HostOutline extends Span {
  readonly name: string;
  /** Other parts of the file refer to it. */
  readonly isAnchor: boolean;
}

/** `vmspecs`: from its bracket or first dash to its end. */
export interface VmsOutline extends Span {
  readonly style: Style;
  /** Where the key with its colon, and its anchor, ends. */
  readonly keyEnd: number;
  readonly items: readonly VmOutline[];
}

export interface VmOutline extends Span {
  readonly name: string;
}

/** The outline of a manifest that is right. Undefined where entries are written in a way that has none, as an alias of a list. */
export function outlineOf({ path, content }: SourceFile): ManifestOutline | undefined {
  return /\.json$/i.test(path) ? outlineJson(content) : outlineYaml(content);
}
