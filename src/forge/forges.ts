import { bitbucket, bitbucketServer } from './bitbucket.ts';
import type { Forge } from './forge.ts';
import { generic } from './generic.ts';
import { gitea } from './gitea.ts';
import { github } from './github.ts';
import { gitlab } from './gitlab.ts';

/** Every kind of sender that a webhook can be set up for, as operator.yaml names it. */
export const FORGE_NAMES = ['generic', 'github', 'gitlab', 'gitea', 'bitbucket', 'bitbucket-server'] as const;

export type ForgeName = (typeof FORGE_NAMES)[number];

export const FORGES: Readonly<Record<ForgeName, Forge>> = {
  generic,
  github,
  gitlab,
  gitea,
  bitbucket,
  'bitbucket-server': bitbucketServer,
};
