import { loadConfig } from '../config.ts';
import { requireWaiting } from '../reconcile/require-waiting.ts';
import { openJournal } from '../state/journal.ts';
import { type GlobalOptions, print } from './options.ts';
import { ownControl, requireSameUser, whoAmI } from './own-control.ts';

/** Lets the guarded removals of a plan, or a rewind, happen: the next pass that holds back this hash carries it out. */
export async function confirm(hash: string, options: GlobalOptions): Promise<number> {
  const config = loadConfig(options.config);
  await requireSameUser(config.stateDir);
  const journal = await openJournal(config.stateDir, { readOnly: true });
  try {
    await requireWaiting(journal, hash, 'all');
  } finally {
    await journal.close();
  }
  await ownControl(config).confirm(hash, whoAmI());
  print(`confirmed ${hash}: a running operator acts on it now; else run \`kvm-gitops reconcile --once\``);
  return 0;
}
