import { execFile } from 'node:child_process';
import type { Config } from '../config.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import type { Mirror } from '../git/mirror.ts';
import type { Check } from './check-receivers.ts';

/** The key files, their programs, and whether the newest commit, which was fetched before, is taken by them. */
export async function checkTrust({ git }: Config, mirror: Mirror): Promise<readonly Check[]> {
  if (git.verify === undefined) return [];
  const what = `signatures, git.verify.require ${git.verify.require}`;
  try {
    const { allowedSigners, gpgKeys } = (await mirror.trustedKeys()) ?? {};
    if (allowedSigners !== undefined) await requireProgram('ssh-keygen');
    const keys = [
      ...(allowedSigners === undefined ? [] : [`${allowedSigners} lines of SSH signers`]),
      ...(gpgKeys === undefined ? [] : [`${gpgKeys} OpenPGP keys`]),
    ].join(', ');
    const head = (await (await mirror.git()).text(['rev-parse', `refs/heads/${git.branch}`])).trim();
    const distrust = await mirror.distrust(head);
    const detail = `${keys}; ${distrust ?? `${head.slice(0, 12)} is signed by one of them`}`;
    return [{ what, ok: distrust === undefined, detail }];
  } catch (error) {
    return [{ what, ok: false, detail: errorMessage(error) }];
  }
}

/** Any answer will do. */
function requireProgram(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(name, ['-?'], (error) => {
      if (error !== null && 'code' in error && String(error.code) === 'ENOENT')
        reject(new OperatorError('E_CONFIG_INVALID', `${name} is not installed`));
      else resolve();
    });
  });
}
