import { realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { isMap, type Reference, referenceIn, type UserData } from '../core/user-data.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import { readPrivateFile } from '../private-file.ts';
import { decryptAge } from './age.ts';

/** Where the operator finds what manifests only refer to. */
export interface SecretPlaces {
  /** Folder of files with a secret each. */
  readonly folder?: string | undefined;
  /** File with the age identities. */
  readonly ageKey?: string | undefined;
}

const MAX_BYTES = 64 * 1024;

/** Puts every secret of user data in its place. E_SECRET names the reference that has none, and never what it would be. */
export async function resolveSecrets(userData: UserData, places: SecretPlaces): Promise<UserData> {
  const entries = Object.entries(userData).map(
    async ([key, value]) => [key, await resolveValue(value, places)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}

async function resolveValue(value: unknown, places: SecretPlaces): Promise<unknown> {
  if (Array.isArray(value)) return Promise.all(value.map((item: unknown) => resolveValue(item, places)));
  if (!isMap(value)) return value;
  const reference = referenceIn(value);
  // A text says what is wrong with it: such a commit was refused.
  if (typeof reference === 'string')
    throw new OperatorError('E_SECRET', `a reference to a secret: ${reference}`);
  return reference === undefined ? resolveSecrets(value, places) : read(reference, places);
}

async function read(reference: Reference, places: SecretPlaces): Promise<string> {
  if (reference.kind === 'secret') return withoutLastNewline(readSecretFile(reference.name, places.folder));
  const text = await decryptAge(reference.ciphertext, {
    keyFile: places.ageKey,
    what: 'a value of user data',
  });
  return withoutLastNewline(text.toString('utf8'));
}

function readSecretFile(name: string, folder: string | undefined): string {
  if (folder === undefined) {
    throw new OperatorError(
      'E_SECRET',
      `the secret ${name} is asked for, and operator.yaml has no secrets.folder`,
    );
  }
  try {
    const path = realpathSync(join(folder, name));
    if (!path.startsWith(realpathSync(folder) + sep)) throw new Error('it leads out of the folder');
    const stats = statSync(path);
    if (!stats.isFile()) throw new Error('it is not a file');
    const { size } = stats;
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, the limit is ${MAX_BYTES}`);
    return readPrivateFile(path);
  } catch (error) {
    throw new OperatorError(
      'E_SECRET',
      `the secret ${name} cannot be read from the folder ${folder}: ${errorMessage(error)}`,
    );
  }
}

/** An editor ends a password with a newline that is not part of it; a file of several lines keeps its last one. */
function withoutLastNewline(text: string): string {
  return text.indexOf('\n') === text.length - 1 ? text.slice(0, -1) : text;
}
