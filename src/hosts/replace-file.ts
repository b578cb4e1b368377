import { rename, writeFile } from 'node:fs/promises';

/** Writes a file whole, and puts it in its place once it is on the disk: whoever reads it sees the old one or the new one. */
export async function replaceFile(file: string, text: string): Promise<void> {
  const draft = `${file}.tmp`;
  await writeFile(draft, text, { flush: true });
  await rename(draft, file);
}
