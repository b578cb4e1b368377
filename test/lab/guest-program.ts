import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from './command.ts';

/** Copies a program of this machine, and the libraries that it needs, to where they belong under `root`. */
export async function copyProgram(
  { file, as }: { readonly file: string; readonly as: string },
  root: string,
): Promise<void> {
  const libraries = [...(await run(['ldd', file])).matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path ?? '');
  for (const [from, to] of [[file, as], ...libraries.map((path) => [path, path])] as const) {
    mkdirSync(join(root, dirname(to)), { recursive: true });
    cpSync(from, join(root, to), { dereference: true });
  }
}

/** Packs a folder as an archive, and takes it away. */
export async function packFolder(root: string, archive: string): Promise<string> {
  await run(['tar', '--create', '--file', archive, '--directory', root, '.']);
  rmSync(root, { recursive: true });
  return archive;
}
