import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A file that was deleted. */
export interface DroppedFile {
  readonly name: string;
  readonly bytes: number;
}

const KEPT_FILE = /^[0-9a-f]{64}$/;
const UNFINISHED = /\.part$/;

/** Deletes the image files of a folder whose sha256 is not named, and what killed downloads left; nothing else. */
export async function dropFiles(folder: string, named: ReadonlySet<string>): Promise<DroppedFile[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  const dropped: DroppedFile[] = [];
  for (const name of names) {
    if (!UNFINISHED.test(name) && (!KEPT_FILE.test(name) || named.has(name))) continue;
    const path = join(folder, name);
    const { size: bytes } = await stat(path);
    await rm(path);
    dropped.push({ name, bytes });
  }
  return dropped;
}
