import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VolumeRef } from '../../core/mark.ts';
import { parseXml, textAt } from '../../core/xml.ts';
import { replaceFile } from '../replace-file.ts';

/** Which volumes of the hosts were read and found to be what git names. */
export interface CheckedVolumes {
  /** Whether the volume, as its XML describes it now, is the one that was checked. */
  has(host: string, ref: VolumeRef, xml: string): boolean;
  remember(host: string, ref: VolumeRef, xml: string): Promise<void>;
}

/**
 * Opens `checked-images.json` in the state folder: size and time of each file as it was checked. Losing it costs reading
 * the images once more. `readOnly`: for commands beside a running operator.
 */
export async function openCheckedVolumes(
  dir: string,
  { readOnly = false }: { readonly readOnly?: boolean } = {},
): Promise<CheckedVolumes> {
  const file = join(dir, 'checked-images.json');
  const checked = await load(file);
  let writing: Promise<void> = Promise.resolve();
  return {
    has: (host, ref, xml) => checked.get(keyOf(host, ref)) === versionOf(xml),
    async remember(host, ref, xml) {
      checked.set(keyOf(host, ref), versionOf(xml));
      if (readOnly) return;
      writing = writing
        .catch(() => undefined)
        .then(() => replaceFile(file, `${JSON.stringify(Object.fromEntries(checked))}\n`));
      await writing;
    },
  };
}

/** Bytes of a volume's file; libvirt says nothing of an empty one. */
export function fileBytes(xml: string): number {
  return Number(textAt(parseXml(xml), 'physical') ?? 0);
}

/** Size and time of last change of a volume's file: what a write to it does not leave alone. */
export function versionOf(xml: string): string {
  const root = parseXml(xml);
  return [textAt(root, 'physical'), textAt(root, 'target', 'timestamps', 'mtime')].join('@');
}

function keyOf(host: string, { pool, name }: VolumeRef): string {
  return `${host}/${pool}/${name}`;
}

async function load(file: string): Promise<Map<string, string>> {
  try {
    const content: unknown = JSON.parse(await readFile(file, 'utf8'));
    return new Map(
      Object.entries(content ?? {}).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      ),
    );
  } catch {
    // Not there yet, or torn: what is not remembered is checked again.
    return new Map();
  }
}
