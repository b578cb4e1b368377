import { NOTICE_KINDS, type Standing } from './standing.ts';

/** What a person reads: one line that sums it up, and a line for each notice. Plain text, without line breaks or markup of ours. */
export interface MessageText {
  readonly headline: string;
  readonly lines: readonly string[];
}

/** Chats and mailboxes are not made for more. */
const MAX_LINES = 40;
const MAX_LENGTH = 400;

/** Failures first: what is cut is what went well. */
const ORDER = ['failed', 'refused', 'host-unknown', 'held', 'drift', 'recovered', 'applied'] as const;

export function messageText(cluster: string, notices: readonly Standing[]): MessageText {
  const counts = NOTICE_KINDS.flatMap((kind) => {
    const count = notices.filter((notice) => notice.kind === kind).length;
    return count === 0 ? [] : [`${count} ${kind}`];
  });
  const sorted = ORDER.flatMap((kind) => notices.filter((notice) => notice.kind === kind));
  const lines = sorted.slice(0, MAX_LINES).map((notice) => plain(lineOf(notice)));
  if (sorted.length > MAX_LINES) lines.push(`and ${sorted.length - MAX_LINES} more: kvm-gitops status`);
  return { headline: plain(`kvm-gitops ${cluster}: ${counts.join(', ')}`), lines };
}

function lineOf(notice: Standing): string {
  const { kind, was, reason, commit, subject } = notice;
  if (subject === undefined && commit !== undefined && was === undefined)
    return `${kind}: ${commitText(notice)}${reason === '' ? '' : `: ${reason}`}`;
  const by =
    commit === undefined ? '' : ` (${subject === undefined ? '' : 'changed by '}${commitText(notice)})`;
  const why = was === undefined ? reason : `no longer ${was}`;
  return `${kind}: ${nameOf(notice)}: ${why}${by}`;
}

/** `web on t01`, `t01`, `the commit`, `the operator` */
function nameOf({ host, subject, was, commit }: Standing): string {
  if (subject !== undefined) return host === undefined ? subject : `${subject} on ${host}`;
  if (host !== undefined) return host;
  return was === 'refused' || commit !== undefined ? 'the newest commit' : 'the operator';
}

/** `c0ffee000000 "Add web", Ann` */
function commitText({ commit }: Standing): string {
  if (commit === undefined) return '';
  const { sha, subject, author } = commit;
  return `${sha.slice(0, 12)} "${subject}"${author === '' ? '' : `, ${author}`}`;
}

/**
 * One line of text: nothing that starts a new one, hides something or turns the direction of reading, as other people's
 * commits and hosts' errors may hold.
 */
export function plain(text: string): string {
  const line = text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]+/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length <= MAX_LENGTH
    ? line
    : `${Array.from(line)
        .slice(0, MAX_LENGTH - 1)
        .join('')}…`;
}
