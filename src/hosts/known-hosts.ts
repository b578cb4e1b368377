import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** A public key as a known_hosts line gives it. */
export interface KnownKey {
  readonly type: string;
  readonly base64: string;
  /** 1-based line in the file. */
  readonly line: number;
}

/** What a known_hosts file says about one host. */
export interface KnownKeys {
  readonly keys: readonly KnownKey[];
  /** `@revoked`: never to be accepted, even when `keys` has it too. */
  readonly revoked: readonly KnownKey[];
  /** `@cert-authority`: host certificates are not supported, so these accept nothing. */
  readonly authorities: readonly KnownKey[];
}

/** What is wrong with a line of known_hosts. */
export interface LineProblem {
  /** 1-based. */
  readonly line: number;
  readonly message: string;
}

type Marker = '@revoked' | '@cert-authority' | undefined;
interface Entry {
  readonly marker: Marker;
  readonly names: string;
  readonly key: KnownKey;
}

/** Finds the lines of an OpenSSH known_hosts file that are for `host` and `port`. Port 22 is written `host`, any other `[host]:port`. */
export function knownKeys(text: string, host: string, port: number): KnownKeys {
  const name = lookupName(host, port);
  const found = { keys: [] as KnownKey[], revoked: [] as KnownKey[], authorities: [] as KnownKey[] };
  for (const { line, number } of linesOf(text)) {
    // The names come first: with a line for each of a thousand hosts, reading every key for every host would take seconds.
    if (!namesMatch(namesOf(line), name)) continue;
    const entry = parseLine(line, number);
    if (typeof entry !== 'string') listOf(found, entry.marker).push(entry.key);
  }
  return found;
}

/** Lines of the whole file that cannot be read; they count for nothing. */
export function knownHostsProblems(text: string): readonly LineProblem[] {
  return linesOf(text).flatMap(({ line, number }) => {
    const entry = parseLine(line, number);
    return typeof entry === 'string' ? [{ line: number, message: entry }] : [];
  });
}

/** Lines that say something, with their numbers. */
function linesOf(text: string): { readonly line: string; readonly number: number }[] {
  return text
    .split('\n')
    .map((raw, index) => ({ line: raw.trim(), number: index + 1 }))
    .filter(({ line }) => line !== '' && !line.startsWith('#'));
}

/** The field with the host names, behind the marker if there is one. */
function namesOf(line: string): string {
  const [, names = ''] = /^(?:@[^ \t]*[ \t]+)?([^ \t]+)/.exec(line) ?? [];
  return names;
}

/** How known_hosts names a host on a port. */
export function lookupName(host: string, port: number): string {
  const lower = host.toLowerCase();
  return port === 22 ? lower : `[${lower}]:${port}`;
}

/** `SHA256:...` as `ssh-keygen -l` prints it, of a public key blob. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The type that a public key blob names in its first field; undefined when it is no key. */
export function blobType(blob: Buffer): string | undefined {
  if (blob.length < 4) return undefined;
  const length = blob.readUInt32BE(0);
  if (length === 0 || length > 64 || blob.length <= 4 + length) return undefined;
  return blob.toString('latin1', 4, 4 + length);
}

function listOf(
  found: { keys: KnownKey[]; revoked: KnownKey[]; authorities: KnownKey[] },
  marker: Marker,
): KnownKey[] {
  if (marker === '@revoked') return found.revoked;
  return marker === '@cert-authority' ? found.authorities : found.keys;
}

/** An entry, or what is wrong with the line. */
function parseLine(line: string, number: number): Entry | string {
  const fields = line.split(/[ \t]+/);
  const marker = fields[0]?.startsWith('@') ? fields.shift() : undefined;
  if (marker !== undefined && marker !== '@revoked' && marker !== '@cert-authority') {
    return `unknown marker ${marker}`;
  }
  const [names, type, base64] = fields;
  if (names === undefined || type === undefined || base64 === undefined) {
    return 'expected: names, key type, key';
  }
  if (names.startsWith('|') && !HASHED.test(names)) return 'malformed hashed name';
  const blob = Buffer.from(base64, 'base64');
  if (blob.toString('base64') !== base64) return 'the key is not base64';
  if (blobType(blob) !== type) return `the key is not of type ${type}`;
  return { marker, names, key: { type, base64, line: number } };
}

const HASHED = /^\|1\|([A-Za-z0-9+/=]+)\|([A-Za-z0-9+/=]+)$/;

function namesMatch(names: string, name: string): boolean {
  const hashed = names.startsWith('|') ? HASHED.exec(names) : null;
  if (hashed) return hashMatches(hashed[1] ?? '', hashed[2] ?? '', name);
  const patterns = names.toLowerCase().split(',');
  const matches = (pattern: string) => patternMatches(pattern, name);
  // A negated pattern that matches rules the whole line out, wherever it stands.
  if (patterns.some((pattern) => pattern.startsWith('!') && matches(pattern.slice(1)))) return false;
  return patterns.some((pattern) => !pattern.startsWith('!') && matches(pattern));
}

function hashMatches(salt: string, hash: string, name: string): boolean {
  const expected = Buffer.from(hash, 'base64');
  const actual = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** `*` and `?` only; brackets are literal, as in OpenSSH. Linear in the name for each `*`: no regular expression to blow up. */
function patternMatches(pattern: string, name: string): boolean {
  let p = 0;
  let star = -1;
  let retry = 0;
  for (let n = 0; n < name.length; ) {
    if (pattern[p] === '*') {
      star = p++;
      retry = n;
    } else if (pattern[p] === '?' || pattern[p] === name[n]) {
      p++;
      n++;
    } else if (star >= 0) {
      p = star + 1;
      n = ++retry;
    } else return false;
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
