import { headersFor, inPath } from '../request.ts';
import type { StatusForge, StatusTarget } from './target.ts';

/** What is shown beside a commit. */
export interface ShownState {
  readonly state: 'pending' | 'success' | 'failure' | 'superseded';
  readonly description: string;
}

/** A POST of JSON. */
export interface StatusRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, string>>;
}

type States = Readonly<Record<ShownState['state'], string>>;
type Draft = (target: StatusTarget, sha: string, shown: ShownState) => Omit<StatusRequest, 'headers'>;

/** https://docs.github.com/en/rest/commits/statuses */
const github: Draft = ({ api, repository, context, url }, sha, { state, description }) => {
  const states: States = {
    pending: 'pending',
    success: 'success',
    failure: 'failure',
    superseded: 'error',
  };
  return {
    url: `${api}/repos/${inPath(repository)}/statuses/${sha}`,
    body: { state: states[state], context, description, ...(url !== undefined && { target_url: url }) },
  };
};

/** https://docs.gitea.com/api: as GitHub's, with a state between success and error. */
const gitea: Draft = (target, sha, shown) => {
  const { url, body } = github(target, sha, shown);
  return { url, body: shown.state === 'superseded' ? { ...body, state: 'warning' } : body };
};

/** https://docs.gitlab.com/api/commits/#set-commit-pipeline-status */
const gitlab: Draft = ({ api, repository, context, url }, sha, { state, description }) => {
  const states: States = {
    pending: 'pending',
    success: 'success',
    failure: 'failed',
    superseded: 'canceled',
  };
  return {
    url: `${api}/projects/${encodeURIComponent(repository)}/statuses/${sha}`,
    body: { state: states[state], name: context, description, ...(url !== undefined && { target_url: url }) },
  };
};

/** https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/; it asks for a URL, so the commit's own will do. */
const bitbucket: Draft = ({ api, repository, context, url }, sha, { state, description }) => {
  const states: States = {
    pending: 'INPROGRESS',
    success: 'SUCCESSFUL',
    failure: 'FAILED',
    superseded: 'STOPPED',
  };
  return {
    url: `${api}/repositories/${inPath(repository)}/commit/${sha}/statuses/build`,
    body: {
      key: context.slice(0, 40),
      state: states[state],
      name: context,
      description,
      url: url ?? `https://bitbucket.org/${inPath(repository)}/commits/${sha}`,
    },
  };
};

const DRAFTS: Readonly<Record<StatusForge, Draft>> = { github, gitlab, gitea, bitbucket };

/** How a forge is told of the state of a commit. The token is in a header, and nowhere else. */
export function statusRequest(
  target: StatusTarget,
  token: string,
  commit: { readonly sha: string; readonly shown: ShownState },
): StatusRequest {
  const draft = DRAFTS[target.forge](target, commit.sha, commit.shown);
  return { ...draft, headers: headersFor(target.forge, token) };
}
