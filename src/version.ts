import { readFileSync } from 'node:fs';

/** The version in package.json, which stands one folder above both `src` and `dist`. */
export const version: string = readVersion(new URL('../package.json', import.meta.url));

function readVersion(file: URL): string {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed
    ? String(parsed.version)
    : 'unknown';
}
