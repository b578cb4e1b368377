import type { StatusForge } from './statuses/target.ts';

const PROOFS: Readonly<Record<StatusForge, (token: string) => Readonly<Record<string, string>>>> = {
  github: (token) => ({
    authorization: `Bearer ${token}`,
    accept: 'application/vnd.github+json',
    'x-github-api-version': '2022-11-28',
  }),
  gitea: (token) => ({ authorization: `token ${token}`, accept: 'application/json' }),
  gitlab: (token) => ({ 'private-token': token, accept: 'application/json' }),
  bitbucket: (token) => ({ authorization: `Bearer ${token}`, accept: 'application/json' }),
};

/** What each call of a forge's API carries. The token is in a header, and nowhere else. */
export function headersFor(forge: StatusForge, token: string): Readonly<Record<string, string>> {
  return { ...PROOFS[forge](token), 'content-type': 'application/json', 'user-agent': 'kvm-gitops' };
}

/** `owner/name` as part of a path. */
export function inPath(repository: string): string {
  return repository.split('/').map(encodeURIComponent).join('/');
}
