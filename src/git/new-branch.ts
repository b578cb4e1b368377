import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { errorMessage, OperatorError } from '../errors.ts';
import type { SourceFile } from '../ports.ts';

/** One commit that a branch is to begin with. */
export interface BranchCommit {
  readonly branch: string;
  /** Has to be in the clone. */
  readonly parent: string;
  readonly message: string;
  /** Paths from the root of the repository. */
  readonly files: readonly SourceFile[];
}

/**
 * Makes a new branch in somebody's clone, with one commit in their name. Neither the work tree nor the index nor any branch
 * that is there changes, and nothing is pushed.
 */
export async function commitToNewBranch(clone: string, commit: BranchCommit): Promise<string> {
  const git = (args: readonly string[], input?: string) => runGit(clone, args, input);
  const { branch, parent } = commit;
  await git(['check-ref-format', '--branch', branch]).catch((cause: unknown) => {
    throw new OperatorError('E_USAGE', `${branch} is no name of a branch, or ${clone} no clone`, { cause });
  });
  const there = await git(['for-each-ref', '--format=%(refname)', `refs/heads/${branch}`]);
  if (there !== '')
    throw new OperatorError('E_USAGE', `${clone} has a branch ${branch} already: name another`);
  await git(['cat-file', '-e', `${parent}^{commit}`]).catch((cause: unknown) => {
    throw new OperatorError(
      'E_USAGE',
      `${clone} does not have commit ${parent.slice(0, 12)}: git fetch there`,
      {
        cause,
      },
    );
  });
  const author = await git(['var', 'GIT_AUTHOR_IDENT']);
  const committer = await git(['var', 'GIT_COMMITTER_IDENT']);
  await git(['fast-import', '--quiet'], importOf(commit, author, committer));
  return git(['rev-parse', `refs/heads/${branch}`]);
}

function importOf(
  { branch, parent, message, files }: BranchCommit,
  author: string,
  committer: string,
): string {
  const changes = files.map(
    ({ path, content }) => `M 100644 inline ${JSON.stringify(path)}\n${data(content)}`,
  );
  return `commit refs/heads/${branch}
author ${author}
committer ${committer}
${data(`${message}\n`)}from ${parent}
${changes.join('')}
`;
}

function data(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`;
}

async function runGit(cwd: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn('git', [...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  let [output, problem] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (problem += text));
  // git may be gone before it has read all of it; its exit code tells.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  try {
    const [code] = await once(child, 'close');
    if (code === 0) return output.trim();
  } catch (cause) {
    throw new OperatorError('E_USAGE', `git cannot be run in ${cwd}: ${errorMessage(cause)}`, { cause });
  }
  throw new OperatorError('E_USAGE', `git ${args[0]} in ${cwd}: ${problem.trim()}`);
}
