import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { armor, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { decryptSops } from '../../src/guests/sops.ts';

const PLAIN = {
  packages: ['nginx', 'vim'],
  users: [{ name: 'ann', passwd: 'canary-5e1d', uid: 1001, lock_passwd: false, expiredate: null }],
  ratio: 0.25,
  empty: '',
  '10': 'a key that JavaScript would put first',
  '2': 'another one',
};
const MODIFIED = '2026-11-24T20:00:00Z';
const FIRST_OF_ONLY_ENCRYPTED = '8a3fd2ad54ce66527b1034f3d147be0b0b975b3bf44f72c6fdadec8176f27d69';

let dir: string;
let keyFile: string;
let recipient: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'kg-sops-'));
  keyFile = join(dir, 'key');
  const identity = await generateX25519Identity();
  recipient = await identityToRecipient(identity);
  writeFileSync(keyFile, `${identity}\n`, { mode: 0o600 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface SopsOptions {
  /** Top-level keys that stay readable. */
  readonly clear?: readonly string[];
  readonly macOnlyEncrypted?: boolean;
}

/**
 * What sops 3 writes, by its description of the format: this is no code of sops, nor of ours. Files that sops 3.9 itself
 * had written for age were decrypted by hand.
 */
async function encrypt(entries: readonly (readonly [string, unknown])[], options: SopsOptions = {}) {
  const { clear = [], macOnlyEncrypted = false } = options;
  const key = randomBytes(32);
  const mac = createHash('sha512');
  if (macOnlyEncrypted) mac.update(Buffer.from(FIRST_OF_ONLY_ENCRYPTED, 'hex'));
  const seal = (value: unknown, place: string): string => {
    const [text, type] = described(value);
    const iv = randomBytes(32);
    const cipher = createCipheriv('aes-256-gcm', key, iv);
    cipher.setAAD(Buffer.from(place));
    const data = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]).toString('base64');
    const tag = cipher.getAuthTag().toString('base64');
    return `ENC[AES256_GCM,data:${data},iv:${iv.toString('base64')},tag:${tag},type:${type}]`;
  };
  const walk = (value: unknown, path: readonly string[]): unknown => {
    if (Array.isArray(value)) return value.map((item) => walk(item, path));
    if (typeof value === 'object' && value !== null)
      return new Map(Object.entries(value).map(([name, inner]) => [name, walk(inner, [...path, name])]));
    if (value === null) return null;
    const isClear = clear.includes(path[0] ?? '');
    if (!isClear || !macOnlyEncrypted) mac.update(described(value)[0]);
    return isClear || value === '' ? value : seal(value, `${path.join(':')}:`);
  };
  const tree = new Map(entries.map(([name, value]) => [name, walk(value, [name])]));
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  const sops = {
    age: [{ recipient, enc: armor.encode(await encrypter.encrypt(key)) }],
    lastmodified: MODIFIED,
    mac: seal(mac.digest('hex').toUpperCase(), MODIFIED),
    ...(macOnlyEncrypted && { mac_only_encrypted: true }),
    version: '3.9.0',
  };
  return stringify(new Map([...tree, ['sops', sops]]), { lineWidth: 0 });
}

function described(value: unknown): [text: string, type: string] {
  if (typeof value === 'boolean') return [value ? 'True' : 'False', 'bool'];
  if (typeof value === 'number') return [String(value), Number.isInteger(value) ? 'int' : 'float'];
  return [String(value), 'str'];
}

/** In the order of a file that a person wrote. */
const ENTRIES = Object.entries(PLAIN).toReversed();
const decrypt = (content: string, key: string | undefined = keyFile) =>
  decryptSops({ path: 'manifests/web.sops.yaml', content }, key);

describe('a file that sops has encrypted', () => {
  it.each<[string, SopsOptions]>([
    ['whole', {}],
    ['in part', { clear: ['packages', 'ratio'] }],
    ['in part, with a code over that part', { clear: ['packages', 'ratio'], macOnlyEncrypted: true }],
  ])('is decrypted, with values of every type in the order of the file: %s', async (_, options) => {
    expect(await decrypt(await encrypt(ENTRIES, options))).toEqual(PLAIN);
  });

  it.each<[string, (text: string) => string, string]>([
    [
      'a clear value was changed',
      (text) => text.replace('nginx', 'nginy'),
      'its authentication code does not fit',
    ],
    [
      'a value was taken out',
      (text) => text.replace(/^ratio:.*\n/m, ''),
      'its authentication code does not fit',
    ],
    [
      'a value was put into another place',
      (text) => text.replace(/^ratio:/m, 'ration:'),
      'ration: does not decrypt',
    ],
    [
      'an encrypted value was written anew',
      (text) => text.replace(/^ratio:.*$/m, 'ratio: 1'),
      'code does not fit',
    ],
    ['the code is gone', (text) => text.replace(/^ {2}mac:.*\n/m, ''), 'has no authentication code'],
    [
      'the key is split',
      (text) => text.replace(/^ {2}version:/m, '  key_groups: [{}]\n  version:'),
      'key groups',
    ],
    [
      'it is for no age key',
      (text) => text.replace(/^ {2}age:$/m, '  pgp:'),
      'not encrypted for an age recipient',
    ],
  ])('is refused where %s, without a word of what is in it', async (_, change, message) => {
    const text = await encrypt(ENTRIES, { clear: ['packages'] });
    const changed = change(text);
    expect(changed).not.toBe(text);
    const failure = decrypt(changed);
    await expect(failure).rejects.toMatchObject({
      code: 'E_SECRET',
      message: expect.stringContaining(message),
    });
    await expect(failure).rejects.not.toThrow('canary');
  });

  it('cannot be decrypted without a key', async () => {
    await expect(
      decryptSops({ path: 'a.sops.yaml', content: await encrypt(ENTRIES) }, undefined),
    ).rejects.toMatchObject({
      code: 'E_SECRET',
      message: 'a.sops.yaml is encrypted with age, and operator.yaml has no secrets.ageKey',
    });
  });
});
