import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../config.ts';
import type { Report } from '../core/report.ts';
import { OperatorError } from '../errors.ts';
import { openJournal } from '../state/journal.ts';
import { ownControl, requireSameUser, whoAmI } from './own-control.ts';

const LOOK_EVERY_MS = 200;
/** Reports among which the answer is: those that came while this command did not look. */
const RECENT = 50;

/**
 * Asks the running operator for a pass and waits for its report: of one that began after the question, and was not cut
 * short by a newer commit.
 */
export async function passOfOperator(
  config: Config,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Report> {
  const { stateDir } = config;
  await requireSameUser(stateDir);
  const control = ownControl(config);
  const id = await control.askForPass(whoAmI());
  const deadline = performance.now() + timeoutMs;
  try {
    while (await control.isWaiting(id)) {
      if (performance.now() > deadline) throw timedOut(timeoutMs);
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  } catch (error) {
    // Nobody waits any more.
    await control.told([id]);
    throw signal.aborted ? signal.reason : error;
  }
  return reportOf(stateDir, id);
}

async function reportOf(stateDir: string, id: string): Promise<Report> {
  const journal = await openJournal(stateDir, { readOnly: true });
  const recent = await journal.recent(RECENT);
  await journal.close();
  const report = recent.find(({ orders = [] }) => orders.some((order) => order.id === id));
  if (report !== undefined) return report;
  throw new Error('the pass was made, and its report is not in the journal');
}

function timedOut(timeoutMs: number): OperatorError {
  return new OperatorError(
    'E_TIMEOUT',
    `no pass has ended within ${timeoutMs / 1000} s: \`kvm-gitops status\` shows what the operator does`,
  );
}
