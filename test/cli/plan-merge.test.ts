import { beforeAll, describe, expect, it } from 'vitest';
import { linkBaseOf, maxBytesOf, mergeNames, type PlanOptions } from '../../src/cli/plan-options.ts';
import { CLUSTER_YAML, manifest, startCli, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';

/** Commits on a branch that starts at main, pushes it, and goes back to main. */
function branch(name: string, files: Readonly<Record<string, string | undefined>>): void {
  site.git('checkout', '--quiet', '-B', name, 'main');
  site.write(files);
  site.git('add', '--all');
  site.git('commit', '--quiet', '--message', `Work on ${name}`);
  site.git('push', '--quiet', '--force', 'origin', name);
  site.git('checkout', '--quiet', 'main');
}

const plan = (head: string, ...more: readonly string[]) =>
  site.run(['plan', '--base', 'main', '--head', head, '--format', 'markdown', ...more]);

beforeAll(async () => {
  site.commit('First machines', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1') });
  await site.run(['reconcile', '--once']);
});

describe('plan of a branch merged with its base', () => {
  it('shows what the merge would do, beside what base has got since, and changes nothing', async () => {
    branch('feature', { 'manifests/two.yaml': manifest('t02', 'web-2') });
    site.commit('Another one meanwhile', { 'manifests/three.yaml': manifest('t02', 'web-3') });
    const { code, stdout, stderr } = await plan('feature');
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
    expect(stdout).toContain('### kvm-gitops: 1 to create, 1 to start');
    expect(stdout).toContain('| create | `web-2` | none | `in git, not on the host` |');
    expect(stdout).toMatch(/waiting already: 1 to create, 1 to start[^]*`web-3`/);
    expect(stdout).toMatch(/\| `t02` \| `memory` \| 0 GiB \| 1 GiB \| 16 GiB \|/);
    expect(site.simulator.host('t02').host.vms()).toEqual([]);
  });

  it('is refused for a mistake, with a link to its line, and for a host that is full', async () => {
    const mistake = manifest('t02', 'web-2').replace('vcpus: 1', 'vcpus: none');
    branch('mistake', { 'manifests/two.yaml': mistake });
    const link = ['--link-base', 'https://git.example.com/vms/src/branch/mistake'];
    const wrong = await plan('mistake', ...link);
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(
      /- \[`manifests\/two\.yaml:3:\d+`\]\(https:\/\/git\.example\.com\/vms\/src\/branch\/mistake\/manifests\/two\.yaml#L3\)/,
    );
    branch('large', {
      'manifests/two.yaml': manifest('t02', 'web-2').replace('memoryGb: 0.5', 'memoryGb: 50'),
    });
    const full = await plan('large');
    expect(full.code).toBe(1);
    expect(full.stdout).toContain('host t02 has no room: memory');
  });

  it('names the files that are in conflict', async () => {
    branch('conflict', { [WEB]: manifest('t01', 'web-1', 'web-4') });
    site.git('checkout', '--quiet', '-B', 'moved', 'main');
    site.write({ [WEB]: manifest('t01', 'web-1', 'web-5') });
    site.git('commit', '--quiet', '--all', '--message', 'Elsewhere');
    site.git('push', '--quiet', '--force', 'origin', 'moved');
    site.git('checkout', '--quiet', 'main');
    const { code, stdout } = await site.run(['plan', '--base', 'moved', '--head', 'conflict']);
    expect(code).toBe(1);
    expect(stdout).toContain(`${WEB}: conflict and moved both change it`);
  });

  it('judges by the policy of the base, and says that the branch would loosen it', async () => {
    branch('loose', {
      'cluster.yaml': `${CLUSTER_YAML}policy: { maxRemovals: 99, tombstoneDays: 0 }\n`,
      [WEB]: undefined,
      'manifests/three.yaml': manifest('t02', 'web-3'),
    });
    const { code, stdout } = await plan('loose');
    expect(code).toBe(2);
    expect(stdout).toMatch(/\| remove \| `web-1` \| removed, kept until \d{4}-\d\d-\d\d \|/);
    expect(stdout).toContain('- `policy: maxRemovals 5 -> 99`\n- `policy: tombstoneDays 7 -> 0`');
    branch('empty', { [WEB]: undefined, 'manifests/three.yaml': undefined });
    expect((await plan('empty')).stdout).toMatch(
      /\*\*To confirm:\*\* a removal waits.*kvm-gitops confirm [0-9a-f]{12}/,
    );
  });

  it('shows what would follow though a freeze is open, and says until when that waits, or that the branch lifts it', async () => {
    const freeze = 'freeze:\n  - { name: launch, start: "* * * * *", duration: 1h }\n';
    const added = { 'manifests/six.yaml': manifest('t01', 'web-6') };
    branch('frozen', { ...added, 'cluster.yaml': CLUSTER_YAML + freeze });
    const { code, stdout } = await plan('frozen');
    expect(code).toBe(2);
    expect(stdout).toMatch(/\| create \| `web-6`/);
    expect(stdout).toMatch(/`freeze "launch" until .* UTC: what this changes waits until then`/);
  });

  it('needs no host, no remote and no operator.yaml when it is offline in a clone', async () => {
    const args = ['plan', '--offline', '--repository', site.clone, '--base', 'origin/main', '--head'];
    const run = (head: string, ...more: string[]) =>
      startCli([...args, head, ...more], { KVM_GITOPS_CONFIG: '' }, site.clone).finished;
    const { code, stdout, stderr } = await run('feature');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('added: web-2');
    expect(stdout).toContain('valid: 3 VMs; no host was asked');
    expect((await run('mistake', '--format', 'markdown')).stdout).toContain(
      'this would be refused, one problem',
    );
  });

  it('is JSON for programs: with the impact of each step and the capacity', async () => {
    const { stdout } = await site.run(['plan', '--base', 'main', '--head', 'loose', '--format', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      accepted: true,
      steps: expect.arrayContaining([
        expect.objectContaining({
          kind: 'remove',
          subject: 'web-1',
          impact: { kind: 'removal', until: expect.stringMatching(/^\d{4}-/) },
          isPendingAnyway: false,
        }),
        expect.objectContaining({ kind: 'create', subject: 'web-3', isPendingAnyway: true }),
      ]),
      capacity: [{ host: 't01' }, { host: 't02' }],
      merge: { base: { name: 'main' }, head: { name: 'loose', subject: 'Work on loose' } },
    });
  });

  it.each([
    [['--base', 'main'], '--base and --head go together'],
    [['--base', 'main', '--head', 'nowhere'], '"nowhere" is no commit of the remote'],
  ])('is a wrong command line with %j', async (args, message) => {
    const { code, stdout, stderr } = await site.run(['plan', ...args]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain(message);
  });

  it.each<[string | undefined, PlanOptions, string]>([
    [undefined, { head: 'feature' }, '--base and --head go together'],
    [undefined, { offline: true }, '--repository and --offline need --base and --head'],
    [undefined, { base: 'main', head: 'x', revision: 'y' }, 'stand instead of a folder'],
    ['folder', { base: 'main', head: 'x' }, 'stand instead of a folder'],
    [undefined, { maxBytes: '10' }, '--max-bytes takes a whole number from 200'],
    [undefined, { maxBytes: 'all' }, '--max-bytes takes a whole number from 200'],
    [undefined, { linkBase: 'javascript:alert(1)' }, '--link-base takes an http or https address'],
    [undefined, { linkBase: 'https://x/)![](y' }, '--link-base takes an http or https address'],
  ])('says of %s with %j what is wrong', (dir, options, message) => {
    const read = () => [mergeNames(dir, options), maxBytesOf(options), linkBaseOf(options)];
    expect(read).toThrow(message);
  });
});
