import type { Issue } from './issue.ts';

/** GitHub takes no more. */
const MAX_LENGTH = 140;

/** One line beside a commit. Control characters would let a manifest's text go on in a line of its own. */
export function stateLine(parts: readonly (string | undefined)[]): string {
  const text = parts
    .filter((part) => part !== undefined && part !== '')
    .join(': ')
    .replace(/\p{Cc}+/gu, ' ');
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH - 1)}…`;
}

/** How many there are, where it is not one, and the first with its line. */
export function firstIssue(issues: readonly Issue[]): string[] {
  const [first] = issues;
  if (first === undefined) return [];
  const place = `${first.file}${first.line === undefined ? '' : `:${first.line}`}: ${first.message}`;
  return issues.length === 1 ? [place] : [`${issues.length} mistakes, the first`, place];
}
