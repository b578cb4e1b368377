import { readFileSync, statSync } from 'node:fs';

/** Reads a file with a secret in it. Throws when others can read it, by OpenSSH's rule: a file of our own must be ours alone. */
export function readPrivateFile(path: string): string {
  const { mode, uid } = statSync(path);
  const forbidden = uid === process.getuid?.() ? 0o077 : 0o007;
  if ((mode & forbidden) !== 0) {
    const octal = (mode & 0o777).toString(8).padStart(4, '0');
    throw new Error(`${path} can be read by others (mode ${octal}): chmod 600 ${path}`);
  }
  return readFileSync(path, 'utf8');
}
