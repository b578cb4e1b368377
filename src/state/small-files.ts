import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Puts a file in its place whole, for its owner alone; its folder is made where it is missing. */
export async function writeWhole(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomUUID()}.new`;
  const file = await open(draft, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, path);
}

/** The JSON of each file of a folder whose name ends so, by name; undefined for one that is damaged. */
export async function readSmallFiles(folder: string, ending: string): Promise<Map<string, unknown>> {
  const names = (await readdir(folder).catch(ignoreMissing)) ?? [];
  const files = new Map<string, unknown>();
  for (const name of names.filter((one) => one.endsWith(ending)).toSorted()) {
    const text = await readFile(join(folder, name), 'utf8').catch(ignoreMissing);
    // Gone since the folder was read.
    if (text !== undefined) files.set(name, parse(text));
  }
  return files;
}

/** Undefined for what is not there. */
export function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Half written or damaged: the caller decides what that means.
    return undefined;
  }
}
