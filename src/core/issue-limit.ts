import type { Issue } from './issue.ts';

/** A megabyte of `- {}` has half a million mistakes: nobody reads them, and journal, notes and forges are to carry them. */
export const MAX_ISSUES = 1_000;
const MAX_NAMES = 20;

/** What is wrong with the items, in their order. Once there is more than is shown, no further ones are looked at. */
export function issuesOf<T>(items: readonly T[], check: (item: T) => readonly Issue[]): Issue[] {
  const issues: Issue[] = [];
  for (const item of items) {
    if (issues.length > MAX_ISSUES) break;
    for (const issue of check(item)) issues.push(issue);
  }
  return issues;
}

/** Names for a message or a hint that may be there a thousand times: the first few, and how many more there are. */
export function someNames(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return names.slice(0, MAX_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
