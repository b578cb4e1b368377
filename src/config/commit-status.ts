import { z } from 'zod';
import { PUBLIC_API, STATUS_FORGES, type StatusTarget } from '../forge/statuses/target.ts';
import { type ConfigContext, isLoopback, readToken, secretError, secretFields } from './values.ts';

/** Names its repository as each forge does: GitLab's groups nest, those of the others do not. */
const REPOSITORY = /^[\w.-]+(\/[\w.-]+)+$/;

export function commitStatusSchema(context: ConfigContext) {
  return z
    .strictObject({
      forge: z.enum(STATUS_FORGES).describe('Who is told; gitea is Forgejo too.'),
      api: z
        .url('expected a URL, as in https://git.example.org/api/v1')
        .optional()
        .describe('Base URL of its API; without it that of github.com, gitlab.com or bitbucket.org.'),
      repository: z
        .string()
        .regex(REPOSITORY, 'expected owner/name')
        .describe('The manifests repository there: owner/name, of GitLab with all its groups.'),
      token: z
        .strictObject(secretFields(context), secretError)
        .transform((place, ctx) => readToken(context, place, ctx))
        .describe(
          'Access token that may write commit statuses, and with pullRequests comments; nothing else.',
        ),
      name: z.string().min(1).max(40).prefault('kvm-gitops').describe('What the states are shown under.'),
      link: z
        .url('expected a URL')
        .optional()
        .describe('Where a person reads more, as a link beside the state.'),
    })
    .transform(({ token, ...written }, ctx) => {
      const problem = problemOf(written);
      if (problem === undefined) return { target: targetOf(written), token };
      ctx.addIssue({ code: 'custom', message: problem.message, path: [problem.key] });
      return z.NEVER;
    })
    .optional()
    .describe('A forge that shows beside each commit how it stands; without it git notes alone do.');
}

interface Written {
  readonly forge: StatusTarget['forge'];
  readonly api?: string | undefined;
  readonly repository: string;
  readonly name: string;
  readonly link?: string | undefined;
}

function problemOf({ forge, api = PUBLIC_API[forge], repository }: Written) {
  if (api === undefined) return { key: 'api', message: `every ${forge} has its own, as https://HOST/api/v1` };
  const { protocol, hostname } = new URL(api);
  // The token goes along with each call.
  if (protocol !== 'https:' && !(protocol === 'http:' && isLoopback(hostname)))
    return { key: 'api', message: `expected https, as a token is sent there; got ${protocol.slice(0, -1)}` };
  if (forge !== 'gitlab' && repository.split('/').length > 2)
    return { key: 'repository', message: `expected owner/name; got "${repository}"` };
  return undefined;
}

function targetOf({ forge, api, repository, name, link }: Written): StatusTarget {
  const base = (api ?? PUBLIC_API[forge] ?? '').replace(/\/+$/, '');
  return { forge, api: base, repository, context: name, url: link };
}
