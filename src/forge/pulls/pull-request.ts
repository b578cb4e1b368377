import { numberAt, textAt } from '../payload.ts';

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
  /** Id of the user, and the name. */
  readonly author: number;
  readonly user?: string;
  /** As the forge writes times; they differ where it was edited. */
  readonly createdAt?: string;
  readonly updatedAt?: string;
}

/** A call without the base of the address. */
export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'PUT';
  readonly path: string;
}

/** How a forge speaks of pull requests, ten on a page: each may be a megabyte. Items of an answer that are not what it publishes are undefined. */
export interface PullApi {
  /** A page of those that are open into the branch, counted from 1. */
  list(repository: string, branch: string, page: number): ApiCall;
  pullOf(item: unknown, branch: string): PullRequest | undefined;
  /** A page of its comments. */
  comments(repository: string, number: number, page: number): ApiCall;
  commentOf(item: unknown): Comment | undefined;
  /** One of them. */
  commentAt(repository: string, number: number, id: number): ApiCall;
  create(repository: string, number: number): ApiCall;
  edit(repository: string, number: number, id: number): ApiCall;
}

/** What every forge has in a comment, whatever it calls the one who wrote it. */
export function commentFrom(
  item: unknown,
  { author, user }: { readonly author: number | undefined; readonly user: string | undefined },
): Comment | undefined {
  const [id, body] = [numberAt(item, 'id'), textAt(item, 'body')];
  if (id === undefined || author === undefined || body === undefined) return undefined;
  const [createdAt, updatedAt] = [textAt(item, 'created_at'), textAt(item, 'updated_at')];
  return {
    id,
    author,
    body,
    ...(user !== undefined && { user }),
    ...(createdAt !== undefined && { createdAt }),
    ...(updatedAt !== undefined && { updatedAt }),
  };
}

/** A commit's full id, and nothing else. */
export function shaOf(text: string | undefined): string | undefined {
  return text !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text) ? text : undefined;
}

/** An address of the forge's that ends no link. */
export function addressOf(text: string | undefined): string | undefined {
  return text !== undefined && /^https?:\/\/[^\s()<>{}`|\\]+$/.test(text) ? text : undefined;
}
