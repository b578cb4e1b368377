import { OperatorError } from '../errors.ts';
import { GitFailure } from './git.ts';
import { redact } from './redact.ts';
import type { Remote } from './remote.ts';

/** What a person needs to know to mend it. */
export interface RemoteContext {
  readonly remote: Remote;
  readonly branch: string;
  readonly knownHostsFile?: string;
}

type RemoteProblem =
  | 'branch'
  | 'host-key'
  | 'login'
  | 'owner'
  | 'no-repository'
  | 'redirect'
  | 'disk'
  | 'network'
  | 'content';

/** By what git, ssh and curl print with LC_ALL=C; the first match wins, so the precise ones come first. */
const PROBLEMS: readonly (readonly [RemoteProblem, RegExp])[] = [
  ['branch', /couldn't find remote ref/i],
  ['host-key', /host key verification failed|remote host identification has changed|host key is known/i],
  ['disk', /no space left|disk quota|read-only file system|too many open files/i],
  ['owner', /dubious ownership/i],
  [
    'login',
    /permission denied \(|authentication failed|could not read (?:username|password)|invalid credentials|access denied|returned error: 40[13]/i,
  ],
  ['redirect', /unable to update url base from redirection|returned error: 30\d/i],
  [
    'no-repository',
    /does not appear to be a git repository|repository .*not found|not a git repository|returned error: 404|no such file or directory|not valid: is this a git repository/i,
  ],
  ['content', /fsck error|error in .*object|object corrupt or missing.*remote/i],
  [
    'network',
    /could not resolve|connection (?:refused|timed out|closed|reset)|network is unreachable|no route to host|failed to connect|couldn't connect|timed out|too slow|early eof|hung up|ssl|tls|certificate|returned error: 5\d\d|returned error: 429/i,
  ],
];

/** What kind of trouble the remote made; undefined when the fault may be the mirror's own. */
export function remoteProblem(failure: GitFailure): RemoteProblem | undefined {
  if (failure.kind === 'timeout') return 'network';
  return PROBLEMS.find(([, pattern]) => pattern.test(failure.output))?.[0];
}

/** E_GIT_REMOTE with the remote, git's own words and what to do. */
export function remoteError(failure: GitFailure, context: RemoteContext): OperatorError {
  const problem = remoteProblem(failure);
  const address = redact(context.remote.url);
  const advice = problem === undefined ? '' : `. ${ADVICE[problem](context)}`;
  const message = `the git remote ${address}, branch ${context.branch}, cannot be read: ${ownWords(failure)}${advice}`;
  return new OperatorError('E_GIT_REMOTE', message, { cause: failure, context: { remote: address } });
}

const ADVICE = {
  branch: ({ branch }) => `Push a branch named ${branch}, or correct the branch in operator.yaml`,
  'host-key': ({ knownHostsFile = '~/.ssh/known_hosts' }) =>
    `Compare the key of that host with its owner's and add it to ${knownHostsFile}: ssh-keyscan HOST >> ${knownHostsFile}`,
  login: () => 'Check the key or the token in operator.yaml, and that it may read this repository',
  owner: () => "Run the operator as the repository's owner, or reach it over ssh",
  'no-repository': () => 'Check the address in operator.yaml, and that the login may see it',
  redirect: () => 'The server sends us elsewhere: put the new address into operator.yaml',
  disk: () => 'Make room on the disk of the state folder, or of the repository',
  network: () =>
    'It is tried again; if it lasts, check the network, the name and the certificate from this machine',
  content: () => 'Its history holds objects that git calls broken or dangerous: see `git fsck` there',
} as const satisfies Record<RemoteProblem, (context: RemoteContext) => string>;

/** E_GIT_REMOTE for a mirror that fails by itself; anything that is neither git's nor the system's is a bug and goes on. */
export function mirrorError(error: unknown, dir: string): OperatorError {
  const expected = error instanceof GitFailure || (error instanceof Error && 'syscall' in error);
  if (!expected) throw error;
  const message = `the git mirror in ${dir} cannot be used: ${error instanceof GitFailure ? ownWords(error) : error.message}`;
  const refused = error instanceof GitFailure && (error.kind === 'exit' || error.kind === 'corrupt');
  const advice = refused
    ? 'If it lasts, stop the operator and remove the mirror: it is made anew'
    : 'Check that git is installed, and the folder and its disk';
  return new OperatorError('E_GIT_REMOTE', `${message}. ${advice}`, { cause: error });
}

/** The one line of git's output that says what happened. */
export function ownWords(failure: GitFailure): string {
  const lines = failure.output
    .split(/[\r\n]+/)
    .map((line) => line.replace(/\p{Cc}/gu, ' ').trim())
    .filter((line) => line !== '');
  const telling = PROBLEMS.map(([, pattern]) => lines.find((line) => pattern.test(line))).find(
    (line) => line !== undefined,
  );
  const last = lines.findLast((line) => /^(?:fatal|error|remote):/.test(line)) ?? lines.at(-1);
  return (telling ?? last ?? failure.kind).replace(/^fatal: /, '').slice(0, 300);
}

/** The failure of a git command; anything else is a bug and goes on. */
export function asGitFailure(error: unknown): GitFailure {
  if (error instanceof GitFailure) return error;
  throw error;
}
