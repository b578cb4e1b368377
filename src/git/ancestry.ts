import { asGitFailure } from './failures.ts';
import type { Git } from './git.ts';
import { isSha } from './revision.ts';

/** Those of `commits` that `sha` does not have in its history. */
export async function listStrangers(
  git: Git,
  sha: string,
  commits: readonly string[],
): Promise<readonly string[]> {
  const strangers: string[] = [];
  for (const commit of commits) if (!(await descends(git, sha, commit))) strangers.push(commit);
  return strangers;
}

/** A commit that the mirror does not hold, or not any more, is nobody's ancestor. */
async function descends(git: Git, sha: string, ancestor: string): Promise<boolean> {
  if (!isSha(ancestor)) return false;
  try {
    const missing = await git.text(['rev-list', '--count', '--left-only', `${ancestor}...${sha}`]);
    return missing.trim() === '0';
  } catch (error) {
    if (asGitFailure(error).kind === 'exit') return false;
    throw error;
  }
}
