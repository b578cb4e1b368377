import { createHash, randomUUID } from 'node:crypto';
import { type MessageText, messageText } from '../core/notifying/message.ts';
import type { Standing } from '../core/notifying/standing.ts';
import { redactText } from '../redact.ts';

/** What one receiver is told at once. */
export interface Message extends MessageText {
  /** The same for the same news, also after a restart: a receiver can tell that it has had it. */
  readonly id: string;
  readonly cluster: string;
  readonly notices: readonly Standing[];
}

/** To see whether a receiver gets anything at all. */
export function testMessage(receiver: string): Message {
  return {
    id: `msg_${randomUUID().replaceAll('-', '')}`,
    cluster: '',
    notices: [],
    headline: 'kvm-gitops: a test of notifications',
    lines: [`Whoever reads this hears what ${receiver} is told of.`],
  };
}

export function composeMessage(receiver: string, cluster: string, notices: readonly Standing[]): Message {
  const clean = notices.map((notice) => ({ ...notice, reason: redactText(notice.reason) }));
  const hash = createHash('sha256').update(JSON.stringify([receiver, cluster, clean]));
  const id = `msg_${hash.digest('hex').slice(0, 32)}`;
  return { id, cluster, notices: clean, ...messageText(cluster, clean) };
}
