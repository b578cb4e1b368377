import type { Config } from '../config.ts';
import { testMessage } from '../notify/message.ts';
import { createReceiver, type ReceiverSettings, tryReceiver } from '../notify/receivers.ts';

/** One thing that was tried. */
export interface Check {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

const TIMEOUT_MS = 30_000;

/** Tries the receivers of notifications. They are told nothing unless `send`: then each gets a test message. */
export function checkReceivers({ notifications }: Config, send: boolean): Promise<Check[]> {
  return Promise.all(notifications.map((receiver) => (send ? sendTest(receiver) : tryQuietly(receiver))));
}

async function sendTest(receiver: ReceiverSettings): Promise<Check> {
  const { deliver, name } = createReceiver(receiver);
  const verdict = await deliver(testMessage(name), AbortSignal.timeout(TIMEOUT_MS));
  const what = title(receiver);
  if (verdict.kind !== 'done')
    return { what, ok: false, detail: `did not take a test message: ${verdict.why}` };
  return verdict.problem === undefined
    ? { what, ok: true, detail: 'took a test message' }
    : { what, ok: false, detail: `took a test message in part: ${verdict.problem}` };
}

async function tryQuietly(receiver: ReceiverSettings): Promise<Check> {
  const what = title(receiver);
  const verdict = await tryReceiver(receiver);
  if (verdict === undefined) return { what, ok: true, detail: 'not tried: --notify sends a test message' };
  return verdict.kind === 'done'
    ? {
        what,
        ok: true,
        detail: 'the mail server answers, and its login is right; --notify sends a test message',
      }
    : { what, ok: false, detail: `the mail server cannot be used: ${verdict.why}` };
}

/** A URL is a secret with most of them. */
function title({ name, way }: ReceiverSettings): string {
  const where = way.kind === 'smtp' ? ` (${way.host}:${way.port})` : '';
  return `notifications to ${name} by ${way.kind}${where}`;
}
