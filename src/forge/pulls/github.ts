import { at, numberAt, textAt } from '../payload.ts';
import { inPath } from '../request.ts';
import {
  addressOf,
  type Comment,
  commentFrom,
  type PullApi,
  type PullRequest,
  shaOf,
} from './pull-request.ts';

/** https://docs.github.com/en/rest/pulls/pulls and https://docs.github.com/en/rest/issues/comments */
export const github: PullApi = {
  list: (repository, branch, page) => {
    const query = new URLSearchParams({ state: 'open', base: branch, per_page: '10', page: String(page) });
    return { method: 'GET', path: `/repos/${inPath(repository)}/pulls?${query.toString()}` };
  },
  pullOf: (item, branch) => pullOf(item, branch, '/blob/'),
  comments: (repository, number, page) => ({
    method: 'GET',
    path: `/repos/${inPath(repository)}/issues/${number}/comments?per_page=10&page=${page}`,
  }),
  commentOf,
  commentAt: (repository, _number, id) => ({
    method: 'GET',
    path: `/repos/${inPath(repository)}/issues/comments/${id}`,
  }),
  create: (repository, number) => ({
    method: 'POST',
    path: `/repos/${inPath(repository)}/issues/${number}/comments`,
  }),
  edit: (repository, _number, id) => ({
    method: 'PATCH',
    path: `/repos/${inPath(repository)}/issues/comments/${id}`,
  }),
};

/** Gitea has the same shape. `tree`: between a repository's address and a commit, where files are shown. */
export function pullOf(item: unknown, branch: string, tree: string): PullRequest | undefined {
  const number = numberAt(item, 'number');
  const head = shaOf(textAt(item, 'head', 'sha'));
  if (number === undefined || head === undefined || textAt(item, 'base', 'ref') !== branch) return undefined;
  const [ours, theirs] = [numberAt(item, 'base', 'repo', 'id'), numberAt(item, 'head', 'repo', 'id')];
  // Without a repository: the fork was deleted.
  const isFork = ours === undefined || ours !== theirs;
  const name = textAt(item, 'head', isFork ? 'label' : 'ref') ?? textAt(item, 'head', 'ref');
  const repository = addressOf(textAt(item, at(item, 'head', 'repo') ? 'head' : 'base', 'repo', 'html_url'));
  return {
    number,
    head,
    ref: `refs/pull/${number}/head`,
    branch: name ?? `#${number}`,
    isFork,
    ...(repository !== undefined && { files: `${repository}${tree}${head}` }),
  };
}

export function commentOf(item: unknown): Comment | undefined {
  return commentFrom(item, { author: numberAt(item, 'user', 'id'), user: textAt(item, 'user', 'login') });
}
