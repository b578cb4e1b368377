/** The forges whose pull requests are planned, as operator.yaml names them. */
export const PULL_FORGES = ['github', 'gitlab', 'gitea'] as const;

export type PullForge = (typeof PULL_FORGES)[number];

/** A pull request (GitLab: merge request) that is open. What a person wrote in it is not to be trusted. */
export interface PullRequest {
  readonly number: number;
  /** Its newest commit, as the forge has it. */
  readonly head: string;
  /** Where the remote has that commit. */
  readonly ref: string;
  /** Its branch, for people. */
  readonly branch: string;
  /** Its branch is in another repository, where anybody may have written it. */
  readonly isFork: boolean;
  /** Where its files are shown, without a slash at the end. */
  readonly files?: string;
}

/** A comment on one. */
export interface Comment {
  readonly id: number;
  readonly body: string;
  /** Id of the user. */
  readonly author: number;
}

/** A call without the base of the address. */
export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT';
  readonly path: string;
}

/** How a forge speaks of pull requests. Items of an answer that are not what it publishes are undefined. */
export interface PullApi {
  /** A page of those that are open into the branch, counted from 1. */
  list(repository: string, branch: string, page: number): ApiCall;
  pullOf(item: unknown, branch: string): PullRequest | undefined;
  /** A page of its comments. */
  comments(repository: string, number: number, page: number): ApiCall;
  commentOf(item: unknown): Comment | undefined;
  create(repository: string, number: number): ApiCall;
  edit(repository: string, number: number, id: number): ApiCall;
}

/** A commit's full id, and nothing else. */
export function shaOf(text: string | undefined): string | undefined {
  return text !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text) ? text : undefined;
}

/** An address of the forge's that ends no link. */
export function addressOf(text: string | undefined): string | undefined {
  return text !== undefined && /^https?:\/\/[^\s()<>{}`|\\]+$/.test(text) ? text : undefined;
}
