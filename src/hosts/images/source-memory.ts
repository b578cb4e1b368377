import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReadSource, ReadSources } from '../../core/source-images.ts';
import { OperatorError } from '../../errors.ts';
import { replaceFile } from '../replace-file.ts';

/** What the disks of VMs were when they were first read for an image. */
export interface SourceMemory {
  readonly known: ReadSources;
  remember(key: string, source: ReadSource): Promise<void>;
}

/**
 * Opens `source-images.json` in the state folder. Losing it, an image without a sha256 in git becomes what its VM is when it
 * is read anew. Throws where there is a file that cannot be read: that would be such a loss, and nobody would notice.
 */
export async function openSourceMemory(dir: string): Promise<SourceMemory> {
  const file = join(dir, 'source-images.json');
  const known = new Map(Object.entries(await load(file)));
  return {
    known,
    async remember(key, source) {
      const content = { ...Object.fromEntries(known), [key]: source };
      await replaceFile(file, `${JSON.stringify(content, undefined, 1)}\n`);
      known.set(key, source);
    },
  };
}

async function load(file: string): Promise<Record<string, ReadSource>> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
  try {
    const content: unknown = JSON.parse(text);
    return Object.fromEntries(Object.entries(content ?? {}).map(([key, value]) => [key, asSource(value)]));
  } catch (error) {
    const what = `${file} cannot be read: put it back, or delete it to have the disks of VMs read anew`;
    throw new OperatorError('E_CONFIG_INVALID', what, { cause: error });
  }
}

function asSource(value: unknown): ReadSource {
  const fields = new Map<string, unknown>(Object.entries(value ?? {}));
  const [sha256, format, at] = ['sha256', 'format', 'at'].map((name) => fields.get(name));
  if (typeof sha256 !== 'string' || typeof at !== 'string' || (format !== 'qcow2' && format !== 'raw'))
    throw new TypeError(`expected sha256, format and at, got ${JSON.stringify(value)}`);
  return { sha256, format, at };
}
