/** Where the states of commits are shown, as operator.yaml names them. */
export const STATUS_FORGES = ['github', 'gitlab', 'gitea', 'bitbucket'] as const;

export type StatusForge = (typeof STATUS_FORGES)[number];

/** A repository of a forge. */
export interface StatusTarget {
  readonly forge: StatusForge;
  /** Base of its API, without a slash at the end. */
  readonly api: string;
  /** `owner/name`; of GitLab with all its groups. */
  readonly repository: string;
  /** What its states are shown under. */
  readonly context: string;
  /** Where a person reads more. */
  readonly url?: string | undefined;
}

/** Of those whose service is one; Gitea has none, and the others are installed elsewhere too. */
export const PUBLIC_API: Readonly<Partial<Record<StatusForge, string>>> = {
  github: 'https://api.github.com',
  gitlab: 'https://gitlab.com/api/v4',
  bitbucket: 'https://api.bitbucket.org/2.0',
};
