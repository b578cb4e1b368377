import { createHmac } from 'node:crypto';
import type { Standing } from '../core/notifying/standing.ts';
import type { Message } from './message.ts';
import type { Post } from './post.ts';

/** Of more a program learns the number; all of it is in the journal. */
const MAX_NOTICES = 200;

/**
 * A message for programs, signed as https://www.standardwebhooks.com has it: HMAC-SHA256 over id, time and the body as it
 * is sent, so that neither can be changed and an old delivery can be told.
 */
export function webhookPost(url: string, secret: string | undefined, message: Message, now: Date): Post {
  const body = JSON.stringify(bodyOf(message));
  const timestamp = String(Math.floor(now.getTime() / 1000));
  const signed = `${message.id}.${timestamp}.${body}`;
  return {
    url,
    body,
    headers: {
      'webhook-id': message.id,
      'webhook-timestamp': timestamp,
      ...(secret !== undefined && { 'webhook-signature': `v1,${sign(secret, signed)}` }),
    },
  };
}

/** `whsec_` is how the standard writes a key in base64; any other text is the key as it stands. */
function sign(secret: string, signed: string): string {
  const [, encoded] = /^whsec_(.+)$/.exec(secret) ?? [];
  const key = encoded === undefined ? Buffer.from(secret) : Buffer.from(encoded, 'base64');
  return createHmac('sha256', key).update(signed).digest('base64');
}

function bodyOf({ cluster, headline, notices }: Message) {
  const newest = notices.reduce((latest, { since }) => (since > latest ? since : latest), '');
  const more = notices.length - MAX_NOTICES;
  return {
    type: 'kvm-gitops.notice',
    timestamp: newest,
    data: {
      v: 1,
      cluster,
      headline,
      notices: notices.slice(0, MAX_NOTICES).map(viewNotice),
      ...(more > 0 && { more }),
    },
  };
}

/** Only what is promised; a commit as its author wrote it. */
function viewNotice({ kind, was, host, subject, because, reason, commit, since }: Standing) {
  return { kind, was, host, subject, because, reason, commit, since };
}
