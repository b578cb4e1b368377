import { describe, expect, it } from 'vitest';
import { buildDesired } from '../../src/core/build-desired.ts';
import { formatIssue } from '../../src/core/issue.ts';
import { repository } from './repository.ts';

/** The mistakes of VMs that depend on each other so; VM n stands on line n + 3. */
function issuesOf(dependencies: Readonly<Record<string, readonly string[]>>): readonly string[] {
  const vms = Object.entries(dependencies).map(
    ([name, others], index) =>
      `    - { name: ${name}, dependsOn: [${others.join(', ')}], ipaddress: 10.0.0.${index + 1}, vcpus: 1, memoryGb: 1 }\n`,
  );
  const content = `- host: t01\n  vmspecs:\n${vms.join('')}`;
  const built = buildDesired(repository([{ path: 'manifests/a.yaml', content }]));
  return built.ok ? [] : built.issues.map(formatIssue);
}

describe('dependsOn in manifests', () => {
  it.each([
    { what: 'a chain', vms: { a: ['b'], b: ['c'], c: [] } },
    { what: 'two ways to one VM', vms: { a: ['b', 'c'], b: ['d'], c: ['d'], d: [] } },
  ])('may be $what', ({ vms }) => {
    expect(issuesOf(vms)).toEqual([]);
  });

  it.each([
    {
      what: 'a VM that is not declared',
      vms: { web: ['db-2'], 'db-1': [] },
      issue: 'manifests/a.yaml:3:32: dependsOn of web: no VM "db-2" is declared; did you mean "db-1"?',
    },
    {
      what: 'itself',
      vms: { web: ['web'] },
      issue: 'manifests/a.yaml:3:32: dependsOn of web: it cannot depend on itself',
    },
    {
      what: 'a circle, printed once and whole, at the first of it',
      vms: { x: ['a'], a: ['b'], b: ['c'], c: ['a'] },
      issue: 'manifests/a.yaml:4:30: dependsOn of a: they wait for each other: a -> b -> c -> a',
    },
  ])('may not be $what', ({ vms, issue }) => {
    expect(issuesOf(vms)).toEqual([issue]);
  });

  it('finds two circles that share nothing', () => {
    const issues = issuesOf({ a: ['b'], b: ['a'], c: ['d'], d: ['c'] });
    expect(issues).toEqual([expect.stringContaining('a -> b -> a'), expect.stringContaining('c -> d -> c')]);
  });

  it('follows a chain as long as a repository is large', () => {
    const names = Array.from({ length: 200 }, (_, index) => `vm-${index}`);
    const chain = Object.fromEntries(names.map((name, index) => [name, names.slice(index + 1, index + 2)]));
    expect(issuesOf({ ...chain, 'vm-199': ['vm-0'] })).toEqual([
      expect.stringMatching(
        /:3:\d+: dependsOn of vm-0: they wait for each other: vm-0 -> vm-1 -> .*-> vm-0$/,
      ),
    ]);
  });
});
