import { describe, expect, it } from 'vitest';
import type { Git, GitCall } from '../../src/git/git.ts';
import { judgeCommits } from '../../src/git/judge-commits.ts';

const COMMITS = Array.from({ length: 130 }, (_, index) => index.toString(16).padStart(40, '0'));
const [HEAD = ''] = COMMITS;
const { signal } = new AbortController();

/** A git that finds these unsigned; what it was asked, with how many commits. */
function gitWith(...unsigned: readonly number[]) {
  const asked: string[] = [];
  const bad = new Set(unsigned.map((index) => COMMITS[index]));
  const text = async ([command = '']: readonly string[], call: GitCall = {}): Promise<string> => {
    expect(call.signal).toBe(signal);
    if (command === 'rev-list') {
      asked.push(command);
      return COMMITS.join('\n');
    }
    const commits = (call.input ?? '').trim().split('\n');
    asked.push(`${command} ${commits.length}`);
    return commits
      .map((sha) => [sha, sha.slice(-2), 'Ada', 'now', bad.has(sha) ? 'N' : 'G', '', '\n'].join('\0'))
      .join('');
  };
  const git: Git = { text, objects: async () => Buffer.alloc(0) };
  const judge = () => judgeCommits(git, { sha: HEAD, from: 'f'.repeat(40) }, { require: 'every', signal });
  return { asked, judge };
}

describe('how many commits are checked', () => {
  it('is one, where the newest is not signed', async () => {
    const { asked, judge } = gitWith(...COMMITS.keys());
    expect(await judge()).toMatch(/"00" by Ada is not signed$/);
    expect(asked).toEqual(['log 1']);
  });

  it('is no more than up to the first batch with a bad one', async () => {
    const { asked, judge } = gitWith(60, 120);
    expect(await judge()).toMatch(/"3c" by Ada is not signed; and maybe more: older ones/);
    expect(asked).toEqual(['log 1', 'rev-list', 'log 50', 'log 50']);
  });

  it('is all, once each, where they are good', async () => {
    const { asked, judge } = gitWith();
    expect(await judge()).toBeUndefined();
    expect(asked).toEqual(['log 1', 'rev-list', 'log 50', 'log 50', 'log 29']);
  });
});
