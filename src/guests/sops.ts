import { createDecipheriv, createHash } from 'node:crypto';
import { type Located, nodeAt, toValue } from '../core/located.ts';
import { parseFile } from '../core/parse-file.ts';
import type { SourceFile } from '../core/source-file.ts';
import { isMap, type UserData } from '../core/user-data.ts';
import { OperatorError } from '../errors.ts';
import { decryptAge } from './age.ts';

const ENCRYPTED =
  /^ENC\[AES256_GCM,data:([A-Za-z0-9+/=]+),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:([a-z]+)\]$/;
/** With `mac_only_encrypted` the code covers what is encrypted, and begins with these bytes. */
const ONLY_ENCRYPTED = Buffer.from('8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69', 'hex');

interface Decryption {
  readonly file: string;
  readonly key: Buffer;
  readonly onlyEncrypted: boolean;
  /** Takes every value in the order of the file: what was moved, added or replaced shows. */
  readonly mac: ReturnType<typeof createHash>;
}

/**
 * Decrypts a YAML or JSON file that sops has encrypted for an age recipient, and checks its authentication code. The format is
 * that of sops 3: a data key under `sops.age`, each value AES-GCM with its path as additional data. E_SECRET where it fails.
 */
export async function decryptSops(file: SourceFile, keyFile: string | undefined): Promise<UserData> {
  const { root } = parseFile(file);
  if (root?.kind !== 'map') throw wrong(file.path, 'is not a mapping');
  const metadata = nodeAt(root, ['sops']);
  if (metadata === undefined) throw wrong(file.path, 'is not encrypted by sops');
  const decryption: Decryption = {
    file: file.path,
    key: await dataKey(metadata, file.path, keyFile),
    onlyEncrypted: scalarAt(metadata, 'mac_only_encrypted') === true,
    mac: createHash('sha512'),
  };
  if (decryption.onlyEncrypted) decryption.mac.update(ONLY_ENCRYPTED);
  const entries = [...root.entries].filter(([key]) => key !== 'sops');
  const plain = entries.map(([key, { value }]) => [key, decrypt(value, [key], decryption)] as const);
  requireMac(metadata, decryption);
  return Object.fromEntries(plain);
}

async function dataKey(metadata: Located, file: string, keyFile: string | undefined): Promise<Buffer> {
  const groups = nodeAt(metadata, ['key_groups']);
  if (groups?.kind === 'list' && groups.items.length > 0)
    throw wrong(file, 'splits its key over key groups, which is not supported');
  const age = nodeAt(metadata, ['age']);
  const entries = age?.kind === 'list' ? age.items.map(toValue) : [];
  const keys = entries.flatMap((entry) =>
    isMap(entry) && typeof entry['enc'] === 'string' ? [entry['enc']] : [],
  );
  let failure: unknown = wrong(file, 'is not encrypted for an age recipient');
  for (const ciphertext of keys) {
    try {
      return await decryptAge(ciphertext, { keyFile, what: file });
    } catch (error) {
      // It may be encrypted for others too.
      failure = error;
    }
  }
  throw failure;
}

function decrypt(node: Located, path: readonly string[], decryption: Decryption): unknown {
  if (node.kind === 'list') return node.items.map((item) => decrypt(item, path, decryption));
  if (node.kind === 'map') {
    const entries = [...node.entries].map(
      ([key, { value }]) => [key, decrypt(value, [...path, key], decryption)] as const,
    );
    return Object.fromEntries(entries);
  }
  const { value } = node;
  const isEncrypted = typeof value === 'string' && ENCRYPTED.test(value);
  if (value === null || (decryption.onlyEncrypted && !isEncrypted)) return value;
  if (!isEncrypted) {
    decryption.mac.update(macText(value));
    return value;
  }
  const { text, type } = open(value, `${path.join(':')}:`, decryption);
  decryption.mac.update(text);
  return typed(text, type, decryption.file);
}

/** One `ENC[...]`. The additional data ties it to its place. */
function open(
  value: string,
  place: string,
  { key, file }: Pick<Decryption, 'key' | 'file'>,
): { readonly text: string; readonly type: string } {
  const [, data = '', iv = '', tag = '', type = ''] = ENCRYPTED.exec(value) ?? [];
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(iv, 'base64'), { authTagLength: 16 });
    decipher.setAuthTag(Buffer.from(tag, 'base64'));
    decipher.setAAD(Buffer.from(place));
    const bytes = Buffer.concat([decipher.update(Buffer.from(data, 'base64')), decipher.final()]);
    return { text: bytes.toString('utf8'), type };
  } catch {
    // Node says only that the tag does not match.
    throw wrong(file, `was changed after it was encrypted: ${place} does not decrypt`);
  }
}

function requireMac(metadata: Located, decryption: Decryption): void {
  const { file } = decryption;
  const stored = scalarAt(metadata, 'mac');
  const modified = scalarAt(metadata, 'lastmodified');
  if (typeof stored !== 'string' || !ENCRYPTED.test(stored) || typeof modified !== 'string') {
    throw wrong(file, 'has no authentication code');
  }
  const expected = open(stored, modified, decryption).text;
  if (expected === decryption.mac.digest('hex').toUpperCase()) return;
  throw wrong(file, 'was changed after it was encrypted: its authentication code does not fit');
}

function scalarAt(metadata: Located, key: string): unknown {
  const node = nodeAt(metadata, [key]);
  return node?.kind === 'scalar' ? node.value : undefined;
}

/** As sops writes a value for the code. */
function macText(value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return String(value);
}

function typed(text: string, type: string, file: string): unknown {
  switch (type) {
    case 'str':
    case 'time':
      return text;
    case 'int':
    case 'float':
      return Number(text);
    case 'bool':
      return text.toLowerCase() === 'true';
    default:
      throw wrong(file, `has a value of the type ${type}, which is not supported`);
  }
}

function wrong(file: string, message: string): OperatorError {
  return new OperatorError('E_SECRET', `${file} ${message}`);
}
