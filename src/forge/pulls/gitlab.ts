import { numberAt, textAt } from '../payload.ts';
import { addressOf, commentFrom, type PullApi, shaOf } from './pull-request.ts';

/** https://docs.gitlab.com/api/merge_requests/ and https://docs.gitlab.com/api/notes/#merge-requests */
export const gitlab: PullApi = {
  list: (repository, branch, page) => {
    const query = new URLSearchParams({
      state: 'opened',
      target_branch: branch,
      per_page: '10',
      page: String(page),
    });
    return {
      method: 'GET',
      path: `/projects/${encodeURIComponent(repository)}/merge_requests?${query.toString()}`,
    };
  },
  pullOf: (item, branch) => {
    const number = numberAt(item, 'iid');
    const head = shaOf(textAt(item, 'sha'));
    if (number === undefined || head === undefined || textAt(item, 'target_branch') !== branch)
      return undefined;
    const [ours, theirs] = [numberAt(item, 'target_project_id'), numberAt(item, 'source_project_id')];
    const project = addressOf(textAt(item, 'web_url')?.replace(/\/-\/merge_requests\/\d+$/, ''));
    return {
      number,
      head,
      ref: `refs/merge-requests/${number}/head`,
      branch: textAt(item, 'source_branch') ?? `!${number}`,
      isFork: ours === undefined || ours !== theirs,
      ...(project !== undefined && { files: `${project}/-/blob/${head}` }),
    };
  },
  comments: (repository, number, page) => ({
    method: 'GET',
    path: `${notes(repository, number)}?sort=asc&order_by=created_at&per_page=10&page=${page}`,
  }),
  commentOf: (item) =>
    commentFrom(item, { author: numberAt(item, 'author', 'id'), user: textAt(item, 'author', 'username') }),
  commentAt: (repository, number, id) => ({ method: 'GET', path: `${notes(repository, number)}/${id}` }),
  create: (repository, number) => ({ method: 'POST', path: notes(repository, number) }),
  edit: (repository, number, id) => ({ method: 'PUT', path: `${notes(repository, number)}/${id}` }),
};

function notes(repository: string, number: number): string {
  return `/projects/${encodeURIComponent(repository)}/merge_requests/${number}/notes`;
}
