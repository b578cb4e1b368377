import { stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { loadConfig } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { openConfirmations } from '../state/confirmations.ts';
import { type GlobalOptions, print } from './options.ts';

/** Lets the guarded removals of a plan happen: the next pass whose plan has this hash carries them out. */
export async function confirm(hash: string, options: GlobalOptions): Promise<number> {
  const config = loadConfig(options.config);
  await requireSameUser(config.stateDir);
  const confirmations = openConfirmations(config.stateDir, { now: () => new Date() });
  await confirmations.add(hash, userInfo().username);
  print(`confirmed ${hash}: a running operator acts on it now; else run \`kvm-gitops reconcile --once\``);
  return 0;
}

/** What root writes there the operator could not read, and each of its passes would fail. */
async function requireSameUser(stateDir: string): Promise<void> {
  const owner = (await stat(stateDir).catch(() => undefined))?.uid;
  const { uid } = userInfo();
  if (owner === undefined || owner === uid) return;
  throw new OperatorError(
    'E_USAGE',
    `${stateDir} belongs to user ${owner}, and you are ${uid}: confirm as the operator's user, with runuser or sudo -u`,
  );
}
