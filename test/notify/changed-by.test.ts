import { describe, expect, it } from 'vitest';
import type { DesiredVm } from '../../src/core/desired.ts';
import type { Revision } from '../../src/core/report.ts';
import { createChangedBy } from '../../src/notify/changed-by.ts';
import { desiredVm, revision } from '../builders.ts';

const never = new AbortController().signal;
const vm = (name: string, vcpus = 1) => desiredVm({ name, vcpus });

/** Commits, oldest first: their VMs, or undefined where the commit is not valid. */
function historyOf(...commits: readonly (readonly DesiredVm[] | undefined)[]) {
  const reads: string[] = [];
  const revisions = commits.map((_, index) => revision(`c${index}`));
  const find = createChangedBy({
    commits: async (sha, limit) => {
      const upTo = revisions.findIndex((one) => one.sha === sha);
      return revisions
        .slice(0, upTo + 1)
        .toReversed()
        .slice(0, limit);
    },
    vmsAt: async (sha) => {
      reads.push(sha);
      const vms = commits[Number(sha.slice(1))];
      return vms && new Map(vms.map((one) => [one.name, one]));
    },
  });
  const at = async (sha: string, ...vms: readonly string[]) => {
    const found: ReadonlyMap<string, Revision> = await find(sha, vms, never);
    return vms.map((name) => found.get(name)?.sha);
  };
  return { at, reads };
}

describe('who changed a VM', () => {
  it.each<{
    what: string;
    commits: (readonly DesiredVm[] | undefined)[];
    by: readonly (string | undefined)[];
  }>([
    {
      what: 'is the commit that changed it, and not a later one about another',
      commits: [[vm('web')], [vm('web', 2)], [vm('web', 2), vm('db')]],
      by: ['c1', 'c2'],
    },
    {
      what: 'is the first commit, of what was never changed',
      commits: [[vm('web')], [vm('web'), vm('db')]],
      by: ['c0', 'c1'],
    },
    {
      what: 'is the one that deleted its lines',
      commits: [[vm('web'), vm('db')], [vm('web')], [vm('web', 3)]],
      by: ['c2', 'c1'],
    },
    {
      what: 'is the next valid commit after one that was refused',
      commits: [[vm('web')], undefined, [vm('web', 2), vm('db')]],
      by: ['c2', 'c2'],
    },
    { what: 'is nobody, of a VM that git never knew', commits: [[vm('web')]], by: ['c0', undefined] },
  ])('$what', async ({ commits, by }) => {
    expect(await historyOf(...commits).at(`c${commits.length - 1}`, 'web', 'db')).toEqual(by);
  });

  it('is looked up once for a commit, and for the next one only as far back as that', async () => {
    const commits = Array.from({ length: 20 }, (_, i) => [vm('web'), vm('db', i + 1)]);
    const { at, reads } = historyOf(...commits);
    expect(await at('c18', 'web')).toEqual(['c0']);
    const first = reads.length;
    expect(await at('c18', 'web')).toEqual(['c0']);
    expect(reads).toHaveLength(first);
    expect(await at('c19', 'web', 'db')).toEqual(['c0', 'c19']);
    expect(reads).toHaveLength(first + 2);
  });

  it('is not said where it was too long ago to look', async () => {
    const { at, reads } = historyOf(...Array.from({ length: 80 }, () => [vm('web')]));
    expect(await at('c79', 'web')).toEqual([undefined]);
    expect(reads).toHaveLength(50);
  });
});
