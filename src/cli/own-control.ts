import { stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { type Config, environment } from '../config.ts';
import { OperatorError } from '../errors.ts';
import { openConfirmations } from '../state/confirmations.ts';
import { type ControlStore, openControl } from '../state/control.ts';

/** What people tell the operator, in its state folder: by a command beside it, or before it starts. */
export function ownControl({ stateDir: dir }: Config): ControlStore {
  const clock = { now: () => new Date() };
  return openControl({ dir, clock, confirmations: openConfirmations(dir, clock) });
}

/** Who gives the command: the person behind `sudo`, where there is one. */
export function whoAmI(): string {
  const person = environment()['SUDO_USER'] ?? '';
  return /^[\w.@-]{1,64}$/.test(person) ? person : userInfo().username;
}

/** What root writes there the operator could not read, and each of its passes would fail. */
export async function requireSameUser(stateDir: string): Promise<void> {
  const owner = (await stat(stateDir).catch(() => undefined))?.uid;
  const { uid } = userInfo();
  if (owner === undefined || owner === uid) return;
  throw new OperatorError(
    'E_USAGE',
    `${stateDir} belongs to user ${owner}, and you are ${uid}: do this as the operator's user, with runuser or sudo -u`,
  );
}
