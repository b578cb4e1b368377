import { z } from 'zod';
import type { Issue } from '../core/issue.ts';
import { keyPlaceOf, type Located } from '../core/located.ts';
import { issueAt } from '../core/parse-file.ts';
import { PULL_FORGES, type PullForge } from '../forge/pulls/pull-request.ts';
import type { StatusTarget } from '../forge/statuses/target.ts';
import type { WrittenConfig } from './schema.ts';

/** In a comment of HTML: nothing in it ends that. */
const NAME = /^[A-Za-z0-9](?:[\w./ ]|-(?!-))*$/;

export function pullRequestsSchema() {
  return z
    .strictObject({
      forks: z
        .boolean()
        .prefault(true)
        .describe(
          'Whether those are planned whose branch is in another repository, where anybody may write it.',
        ),
      confirmers: z
        .array(z.string().regex(/^[\w.-]{1,64}$/, 'expected a user name of the forge, without @'))
        .prefault([])
        .describe('Users of the forge who may confirm removals by a comment, /kvm-gitops confirm CODE.'),
      name: z
        .string()
        .regex(NAME, 'expected letters, digits, spaces and . _ / -')
        .max(40)
        .prefault('kvm-gitops/plan')
        .describe('What the state of the plan is shown under, and what its comment is found again by.'),
    })
    .optional()
    .describe(
      'Plans of pull requests, as a comment and a state, on the forge of commitStatus and with its token; without it there are none.',
    );
}

type Written = Pick<WrittenConfig, 'commitStatus' | 'pullRequests'>;

/** What is said of pull requests, where, and with which token. */
export function toPullRequests({ commitStatus, pullRequests }: Written) {
  const forge = PULL_FORGES.find((one) => one === commitStatus?.target.forge);
  if (pullRequests === undefined || commitStatus === undefined || forge === undefined) return undefined;
  const target: StatusTarget & { readonly forge: PullForge } = {
    ...commitStatus.target,
    forge,
    context: pullRequests.name,
  };
  const { forks, confirmers } = pullRequests;
  return { target, token: commitStatus.token, forks, confirmers };
}

/** Pull requests of a forge that no other section names, or of one whose pull requests we do not know. */
export function checkPullRequests(
  { commitStatus, pullRequests }: Written,
  from: { readonly root: Located; readonly file: string },
): Issue[] {
  if (pullRequests === undefined) return [];
  const report = (path: string[], message: string) => [
    issueAt(from.file, keyPlaceOf(from.root, path), `${path.join('.')}: ${message}`),
  ];
  if (commitStatus === undefined)
    return report(
      ['pullRequests'],
      'needs commitStatus, which names the forge, the repository and the token',
    );
  const { forge, context } = commitStatus.target;
  if (!PULL_FORGES.some((one) => one === forge))
    return report(
      ['pullRequests'],
      `commitStatus.forge is ${forge}, and pull requests are planned on ${PULL_FORGES.join(', ')}`,
    );
  if (context === pullRequests.name)
    return report(
      ['pullRequests', 'name'],
      `commitStatus.name is "${context}" too: one state would hide the other`,
    );
  return [];
}
