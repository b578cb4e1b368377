import type { Interest } from '../core/notifying/news.ts';
import type { Secret } from '../core/secret.ts';
import { mattermostPost, slackPost } from './chat.ts';
import { type MailTarget, sendMail, tryMailServer } from './mail.ts';
import type { Message } from './message.ts';
import { post } from './post.ts';
import type { Receiver } from './teller.ts';
import type { Verdict } from './verdict.ts';
import { webhookPost } from './webhook.ts';

export const RECEIVER_KINDS = ['webhook', 'slack', 'mattermost', 'smtp'] as const;

/** How a receiver is reached. */
export type Way =
  | { readonly kind: 'webhook'; readonly url: Secret; readonly secret: Secret | undefined }
  | { readonly kind: 'slack' | 'mattermost'; readonly url: Secret }
  | (Omit<MailTarget, 'login'> & {
      readonly kind: 'smtp';
      readonly login: { readonly user: string; readonly password: Secret } | undefined;
    });

/** A receiver, as operator.yaml names it. */
export interface ReceiverSettings {
  readonly name: string;
  readonly way: Way;
  readonly interest: Interest;
  readonly delayMs: number;
}

export function createReceiver({ way, ...rest }: ReceiverSettings): Receiver {
  return { ...rest, deliver: (message, signal) => deliver(way, message, signal) };
}

/** Secrets are asked for at each call, and never kept. */
function deliver(way: Way, message: Message, signal: AbortSignal): Promise<Verdict> {
  switch (way.kind) {
    case 'webhook':
      return post(webhookPost(way.url.reveal(), way.secret?.reveal(), message, new Date()), signal);
    case 'slack':
      return post(slackPost(way.url.reveal(), message), signal);
    case 'mattermost':
      return post(mattermostPost(way.url.reveal(), message), signal);
    case 'smtp':
      return sendMail(mailTarget(way), message, signal);
  }
}

function mailTarget(way: Extract<Way, { kind: 'smtp' }>): MailTarget {
  const { login } = way;
  return { ...way, login: login && { user: login.user, password: () => login.password.reveal() } };
}

/** Tries what can be tried without telling anybody anything; undefined: nothing can. */
export async function tryReceiver({ way }: ReceiverSettings): Promise<Verdict | undefined> {
  return way.kind === 'smtp' ? tryMailServer(mailTarget(way)) : undefined;
}
