import { basename, dirname, join } from 'node:path';

/** Beside the file, under a name that dnsmasq passes over in any folder that it reads. */
export function scratchPath(path: string): string {
  return join(dirname(path), `.${basename(path)}.new`);
}
