/** A mistake that a person made in a manifest, found before any host is touched. */
export interface Issue {
  /** Path in the manifests repository. */
  readonly file: string;
  /** 1-based; absent when the whole file is meant. */
  readonly line?: number;
  readonly column?: number;
  /** What is wrong, the bad value and what would be right, in one sentence without the place. */
  readonly message: string;
  /** What to do about it, when that is not plain from the message. */
  readonly hint?: string;
}

/** `manifests/web.yaml:6:19: message (hint)`: the form that editors and terminals make into a link. */
export function formatIssue(issue: Issue): string {
  const place = [issue.file, issue.line, issue.column].filter((part) => part !== undefined).join(':');
  return `${place}: ${issue.message}${issue.hint === undefined ? '' : ` (${issue.hint})`}`;
}
