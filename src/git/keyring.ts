import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorMessage, OperatorError } from '../errors.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 30_000;
/** Which keys count is said by who may write the file; no daemon, and no lock that a killed process leaves behind. */
const GPG_CONF = 'trust-model always\nno-autostart\nlock-never\nbatch\nno-tty\n';
const PREFIX = 'gnupg-';

export interface KeyringSettings {
  /** A folder of ours. */
  readonly dir: string;
  /** PATH and the like; nothing of gpg's. */
  readonly env: Readonly<Record<string, string>>;
}

/** A GNUPGHOME of our own with these public keys and no other; without `keys` an empty one. E_GIT_SIGNATURE where gpg does not take them. */
export async function openKeyring(
  { dir, env }: KeyringSettings,
  { hash, keys }: { readonly hash: string; readonly keys?: Buffer },
): Promise<string> {
  const home = join(dir, `${PREFIX}${hash}`);
  if ((await stat(home).catch(() => undefined)) !== undefined) return home;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const fresh = await mkdtemp(join(dir, 'new-'));
  try {
    // Newer ones would start a daemon for the keys of a home that they make themselves.
    await writeFile(join(fresh, 'common.conf'), '');
    await writeFile(join(fresh, 'gpg.conf'), GPG_CONF);
    if (keys !== undefined) {
      const file = join(fresh, 'keys');
      await writeFile(file, keys);
      requirePublic(await gpg(fresh, env, ['--list-packets', file]));
      await gpg(fresh, env, ['--import', file]);
    }
    // Another process of ours may have been quicker.
    await rename(fresh, home).catch(() => undefined);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  const old = (await readdir(dir)).filter((name) => name.startsWith(PREFIX) && name !== `${PREFIX}${hash}`);
  for (const name of old) await rm(join(dir, name), { recursive: true, force: true });
  return home;
}

/** How many public keys are in a keyring. */
export async function countKeys(home: string, { env }: KeyringSettings): Promise<number> {
  const listing = await gpg(home, env, ['--with-colons', '--list-keys']);
  return listing.split('\n').filter((line) => line.startsWith('pub:')).length;
}

/** By its packets: `--show-keys` wants a trust database where a key has expired. */
function requirePublic(packets: string): void {
  const instead = 'gpg --export --armor KEY > FILE';
  if (/^:secret (?:sub )?key packet:/m.test(packets))
    throw unusable(`there is a secret key in it: ${instead}`);
  if (!/^:public key packet:/m.test(packets)) throw unusable(`there is no public key in it: ${instead}`);
}

async function gpg(
  home: string,
  env: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<string> {
  try {
    const { stdout } = await run('gpg', [...args], {
      env: { ...env, GNUPGHOME: home },
      timeout: TIMEOUT_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw unusable(
      isMissing ? 'gpg is not installed' : errorMessage(error).split('\n').slice(0, 3).join(' '),
    );
  }
}

function unusable(why: string): OperatorError {
  return new OperatorError('E_GIT_SIGNATURE', `git.verify.gpgKeys: ${why}`);
}
