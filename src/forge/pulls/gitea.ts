import { inPath } from '../request.ts';
import { commentOf, github, pullOf } from './github.ts';
import type { PullApi } from './pull-request.ts';

/** https://docs.gitea.com/api, Forgejo too: as GitHub's, with other names for pages, and all comments at once. */
export const gitea: PullApi = {
  ...github,
  list: (repository, _branch, page) => ({
    method: 'GET',
    path: `/repos/${inPath(repository)}/pulls?state=open&limit=10&page=${page}`,
  }),
  pullOf: (item, branch) => pullOf(item, branch, '/src/commit/'),
  comments: (repository, number) => ({
    method: 'GET',
    path: `/repos/${inPath(repository)}/issues/${number}/comments`,
  }),
  commentOf,
};
