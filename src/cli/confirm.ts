import { userInfo } from 'node:os';
import { loadConfig } from '../config.ts';
import { openConfirmations } from '../confirmations.ts';
import { type GlobalOptions, print } from './options.ts';

/** Lets the guarded removals of a plan happen: the next pass whose plan has this hash carries them out. */
export async function confirm(hash: string, options: GlobalOptions): Promise<number> {
  const config = loadConfig(options.config);
  const confirmations = openConfirmations(config.stateDir, { now: () => new Date() });
  await confirmations.add(hash, userInfo().username);
  print(`confirmed ${hash}: a running operator acts on it now; else run \`kvm-gitops reconcile --once\``);
  return 0;
}
