import type { PullForge } from '../../src/forge/pulls/pull-request.ts';

/** A call of an API as its forge publishes it: what may stand in it, and what must. */
interface Operation {
  readonly of: 'pulls' | 'comments' | 'one' | 'comment' | 'edit' | 'status' | 'user';
  readonly method: string;
  readonly path: RegExp;
  /** Names that its query may have, each with what it may say. */
  readonly query?: Readonly<Record<string, RegExp>>;
  readonly body?: Readonly<Record<string, Field>>;
}

interface Field {
  readonly values: RegExp;
  readonly required?: true;
}

interface Published {
  readonly headers: Readonly<Record<string, RegExp>>;
  readonly operations: readonly Operation[];
}

const ANY = /^[^]*$/;
const COUNT = /^[1-9]\d*$/;
const HUNDRED = /^([1-9]\d?|100)$/;
/** GitHub takes so many characters, and the others more. */
const BODY = { body: { values: /^[^]{1,65536}$/, required: true } } as const;
const OPTIONAL = { target_url: { values: /^https?:/ }, description: { values: /^[^\n]{0,140}$/ } };

/** `components` of https://github.com/github/rest-api-description, version 2022-11-28: the parts that are called. */
const github: Published = {
  headers: {
    authorization: /^Bearer \S+$/,
    accept: /^application\/vnd\.github\+json$/,
    'x-github-api-version': /^2022-11-28$/,
    'user-agent': /\S/,
  },
  operations: [
    {
      of: 'pulls',
      method: 'GET',
      path: /^\/repos\/[^/]+\/[^/]+\/pulls$/,
      query: {
        state: /^(open|closed|all)$/,
        head: ANY,
        base: ANY,
        sort: /^(created|updated|popularity|long-running)$/,
        direction: /^(asc|desc)$/,
        per_page: HUNDRED,
        page: COUNT,
      },
    },
    {
      of: 'comments',
      method: 'GET',
      path: /^\/repos\/[^/]+\/[^/]+\/issues\/(\d+)\/comments$/,
      query: { since: ANY, per_page: HUNDRED, page: COUNT },
    },
    { of: 'comment', method: 'POST', path: /^\/repos\/[^/]+\/[^/]+\/issues\/(\d+)\/comments$/, body: BODY },
    { of: 'one', method: 'GET', path: /^\/repos\/[^/]+\/[^/]+\/issues\/comments\/(\d+)$/ },
    { of: 'edit', method: 'PATCH', path: /^\/repos\/[^/]+\/[^/]+\/issues\/comments\/(\d+)$/, body: BODY },
    {
      of: 'status',
      method: 'POST',
      path: /^\/repos\/[^/]+\/[^/]+\/statuses\/([0-9a-f]{40})$/,
      body: {
        ...OPTIONAL,
        state: { values: /^(error|failure|pending|success)$/, required: true },
        context: { values: /\S/ },
      },
    },
    { of: 'user', method: 'GET', path: /^\/user$/ },
  ],
};

/** https://docs.gitlab.com/api/merge_requests/, /api/notes/, /api/commits/ and /api/rest/#pagination */
const gitlab: Published = {
  headers: { 'private-token': /^\S+$/ },
  operations: [
    {
      of: 'pulls',
      method: 'GET',
      path: /^\/projects\/[^/]+\/merge_requests$/,
      query: {
        state: /^(opened|closed|locked|merged|all)$/,
        target_branch: ANY,
        source_branch: ANY,
        order_by: /^(created_at|title|merged_at|updated_at)$/,
        sort: /^(asc|desc)$/,
        per_page: HUNDRED,
        page: COUNT,
      },
    },
    {
      of: 'comments',
      method: 'GET',
      path: /^\/projects\/[^/]+\/merge_requests\/(\d+)\/notes$/,
      query: {
        sort: /^(asc|desc)$/,
        order_by: /^(created_at|updated_at)$/,
        per_page: HUNDRED,
        page: COUNT,
      },
    },
    {
      of: 'comment',
      method: 'POST',
      path: /^\/projects\/[^/]+\/merge_requests\/(\d+)\/notes$/,
      body: { ...BODY, internal: { values: /^(true|false)$/ } },
    },
    {
      of: 'one',
      method: 'GET',
      path: /^\/projects\/[^/]+\/merge_requests\/\d+\/notes\/(\d+)$/,
    },
    {
      of: 'edit',
      method: 'PUT',
      path: /^\/projects\/[^/]+\/merge_requests\/\d+\/notes\/(\d+)$/,
      body: BODY,
    },
    {
      of: 'status',
      method: 'POST',
      path: /^\/projects\/[^/]+\/statuses\/([0-9a-f]{40})$/,
      body: {
        ...OPTIONAL,
        state: { values: /^(pending|running|success|failed|canceled|skipped)$/, required: true },
        name: { values: /\S/ },
      },
    },
    { of: 'user', method: 'GET', path: /^\/user$/ },
  ],
};

/** `/swagger.v1.json` of Gitea 1.22 and Forgejo: as GitHub's, but for how lists are cut. */
const gitea: Published = {
  headers: { authorization: /^token \S+$/ },
  operations: github.operations.map((operation): Operation => {
    if (operation.of === 'pulls') {
      const sort = /^(oldest|recentupdate|recentclose|leastupdate|mostcomment|leastcomment|priority)$/;
      const query = { state: /^(open|closed|all)$/, sort, limit: COUNT, page: COUNT };
      return { ...operation, query };
    }
    if (operation.of === 'comments') return { ...operation, query: { since: ANY, before: ANY } };
    if (operation.of !== 'status') return operation;
    const state = { values: /^(pending|success|error|failure|warning|skipped)$/, required: true } as const;
    return { ...operation, body: { ...OPTIONAL, context: { values: /\S/ }, state } };
  }),
};

const PUBLISHED: Readonly<Record<PullForge, Published>> = { github, gitlab, gitea };

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: unknown;
}

/** Which operation it is, with what stands in its path, and everything in it that its forge does not publish. */
export function judgeCall(forge: PullForge, { method, url, headers, body }: Asked) {
  const published = PUBLISHED[forge];
  const { pathname, searchParams } = new URL(url, 'http://forge');
  const operation = published.operations.find((one) => one.method === method && one.path.test(pathname));
  if (operation === undefined) return { mistakes: [`${method} ${pathname} is no call of ${forge}`] };
  const query = Object.entries(operation.query ?? {});
  const mistakes = [
    ...Object.entries(published.headers)
      .filter(([name, values]) => !values.test(String(headers[name] ?? '')))
      .map(([name]) => `header ${name}`),
    ...[...searchParams]
      .filter(([name, value]) => !query.some(([known, values]) => known === name && values.test(value)))
      .map(([name, value]) => `query ${name}=${value}`),
    ...bodyMistakes(operation.body, body),
  ];
  return {
    of: operation.of,
    id: operation.path.exec(pathname)?.[1] ?? '',
    query: searchParams,
    mistakes: mistakes.map((what) => `${method} ${pathname}: ${what}`),
  };
}

function bodyMistakes(fields: Operation['body'], body: unknown): string[] {
  if (fields === undefined) return body === undefined ? [] : ['a body'];
  if (typeof body !== 'object' || body === null) return ['no body'];
  const known = new Map(Object.entries(fields));
  const missing = [...known].filter(([name, { required }]) => required && !(name in body));
  const wrong = Object.entries(body).filter(
    ([name, value]) => typeof value !== 'string' || known.get(name)?.values.test(value) !== true,
  );
  return [...missing, ...wrong].map(([name]) => `body ${name}`);
}
