import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { schemaFiles } from '../core/json-schema.ts';
import { print } from './options.ts';

/** Writes the JSON Schemas into a manifests repository, for its editors. */
export async function schemas(dir: string): Promise<number> {
  for (const { path, content } of schemaFiles()) {
    const file = join(dir, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    print(file);
  }
  return 0;
}
