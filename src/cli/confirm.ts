import { loadConfig } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { openJournal } from '../state/journal.ts';
import { type GlobalOptions, print } from './options.ts';
import { ownControl, requireSameUser, whoAmI } from './own-control.ts';

/** Lets the guarded removals of a plan happen: the next pass whose plan has this hash carries them out. */
export async function confirm(hash: string, options: GlobalOptions): Promise<number> {
  const config = loadConfig(options.config);
  await requireSameUser(config.stateDir);
  await requireWaiting(config.stateDir, hash);
  await ownControl(config).confirm(hash, whoAmI());
  print(`confirmed ${hash}: a running operator acts on it now; else run \`kvm-gitops reconcile --once\``);
  return 0;
}

/** A typing mistake must not look like a success, nor may what nobody waits for lie ready for a later plan. */
async function requireWaiting(stateDir: string, hash: string): Promise<void> {
  const journal = await openJournal(stateDir, { readOnly: true });
  // A refused commit and the one in force have a report each.
  const newest = await journal.recent(2);
  await journal.close();
  const waiting = newest.flatMap(({ confirmation }) => confirmation ?? []);
  if (waiting.includes(hash)) return;
  const hint =
    waiting.length === 0 ? 'no removal waits for a confirmation' : `what waits is ${waiting.join(' or ')}`;
  throw new OperatorError(
    'E_USAGE',
    `${hash} names nothing that the operator's last pass holds back: ${hint}`,
  );
}
