import type { Message } from './message.ts';
import type { Post } from './post.ts';

/** Made invisible to a person, it keeps `@channel` from being one. */
const BREAK = '\u200b';

/** An incoming webhook of Slack: text without markup, in which nothing calls a person or shows a page. */
export function slackPost(url: string, message: Message): Post {
  const escape = (text: string) =>
    text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? '');
  const text = linesOf(message, (line) => withoutCalls(escape(line)));
  const quiet = { mrkdwn: false, link_names: false, unfurl_links: false, unfurl_media: false };
  return { url, headers: {}, body: JSON.stringify({ text, ...quiet }) };
}

/** An incoming webhook of Mattermost, which reads Markdown: every sign that could mean something is escaped. */
export function mattermostPost(url: string, message: Message): Post {
  const escape = (text: string) =>
    text.replace(/[!-/:-@[-`{-~]/g, (sign) => (sign === '@' ? sign : `\\${sign}`));
  const text = linesOf(message, (line) => withoutCalls(escape(line)));
  return { url, headers: {}, body: JSON.stringify({ text }) };
}

function linesOf({ headline, lines }: Message, escape: (line: string) => string): string {
  return [headline, ...lines].map(escape).join('\n');
}

function withoutCalls(line: string): string {
  return line.replaceAll('@', `@${BREAK}`);
}
