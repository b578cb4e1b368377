import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { armor, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveSecrets } from '../../src/guests/secrets.ts';

const CANARY = 'canary-91c4';

describe('secrets of user data', () => {
  let dir: string;
  let folder: string;
  let ageKey: string;
  let recipient: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'kg-secrets-'));
    folder = join(dir, 'secrets');
    mkdirSync(join(folder, 'web'), { recursive: true });
    const put = (name: string, text: string, mode = 0o600) => {
      writeFileSync(join(dir, name), text);
      chmodSync(join(dir, name), mode);
    };
    put('secrets/web/password', `${CANARY}\n`);
    put('secrets/web/key', `line 1\nline 2\n`);
    put('secrets/open', CANARY, 0o644);
    put('secrets/huge', 'x'.repeat(70_000));
    put('outside', CANARY);
    symlinkSync(join(dir, 'outside'), join(folder, 'link-out'));
    symlinkSync('web/password', join(folder, 'link-in'));
    const identity = await generateX25519Identity();
    recipient = await identityToRecipient(identity);
    ageKey = join(dir, 'age-key');
    put('age-key', `# created: today\n# public key: ${recipient}\n${identity}\n`);
    put('other-key', await generateX25519Identity());
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  async function encrypted(text: string): Promise<{ age: string }> {
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    return { age: armor.encode(await encrypter.encrypt(text)) };
  }

  it('come from files, wherever a reference stands', async () => {
    const users = [{ name: 'ann', passwd: { secret: 'web/password' } }];
    const write_files = [{ path: '/k', content: { secret: 'web/key' }, defer: true }];
    expect(
      await resolveSecrets({ users, write_files, password: { secret: 'link-in' }, n: 1 }, { folder }),
    ).toEqual({
      users: [{ name: 'ann', passwd: CANARY }],
      write_files: [{ path: '/k', content: 'line 1\nline 2\n', defer: true }],
      password: CANARY,
      n: 1,
    });
  });

  it('are decrypted with the age key', async () => {
    expect(await resolveSecrets({ password: await encrypted(`${CANARY}\n`) }, { ageKey })).toEqual({
      password: CANARY,
    });
  });

  it.each([
    ['is not there', 'web/none', 'ENOENT'],
    ['leads out of the folder by a link', 'link-out', 'it leads out of the folder'],
    ['can be read by others', 'open', 'can be read by others (mode 0644)'],
    ['is a folder', 'web', 'it is not a file'],
    ['is too large', 'huge', 'it has 70000 bytes'],
  ])('that %s are an error with their name and the folder', async (_, secret, message) => {
    const failure = resolveSecrets({ password: { secret } }, { folder });
    await expect(failure).rejects.toMatchObject({
      code: 'E_SECRET',
      message: expect.stringMatching(
        new RegExp(`the secret ${secret} cannot be read from the folder .*secrets: `),
      ),
    });
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.not.toThrow(CANARY);
  });

  it.each(['../outside', '/etc/passwd', '.hidden', 'a//b', 'a/../b', '', 'a\nb'])(
    'never have a name such as %j',
    async (secret) => {
      await expect(resolveSecrets({ password: { secret } }, { folder })).rejects.toMatchObject({
        code: 'E_SECRET',
      });
    },
  );

  it.each([
    ['there is no folder', () => ({ secret: 'web/password' }), {}, 'has no secrets.folder'],
    ['there is no age key', () => encrypted(CANARY), {}, 'has no secrets.ageKey'],
  ])('say so where %s', async (_, value, places, message) => {
    await expect(resolveSecrets({ password: await value() }, places)).rejects.toThrow(message);
  });

  it('say so where the age key is another', async () => {
    const failure = resolveSecrets({ password: await encrypted(CANARY) }, { ageKey: join(dir, 'other-key') });
    await expect(failure).rejects.toMatchObject({
      code: 'E_SECRET',
      message: expect.stringContaining("no identity matched any of the file's recipients"),
    });
  });
});
