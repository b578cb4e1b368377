import { execFileSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { CLUSTER_YAML, manifest, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
const THREE = `# the web
${manifest('t01', 'web-1', 'web-2').replace('    - { name: web-1', '    # the first\n    - { name: web-1')}${manifest('t02', 'db-3')}`;

beforeAll(async () => {
  site.commit('Three machines', { 'cluster.yaml': CLUSTER_YAML, [WEB]: THREE });
  const { code, stderr } = await site.run(['reconcile', '--once']);
  if (code !== 0) throw new Error(stderr);
});

const VALID = 'valid: 3 VMs on 1 hosts';

/** Puts the patch into the clone, has it validated, and takes it out again. */
async function validated(patch: string): Promise<string> {
  execFileSync('git', ['apply', '-'], { cwd: site.clone, input: patch });
  const { stdout } = await site.run(['validate', site.clone]);
  site.git('checkout', '--quiet', '.');
  return stdout;
}

describe('drain', () => {
  it('writes a patch that git applies to stdout, and what it means to stderr', async () => {
    const { code, stdout, stderr } = await site.run(['drain', 't01']);
    expect(code).toBe(0);
    expect(stdout).toBe(`diff --git a/${WEB} b/${WEB}
--- a/${WEB}
+++ b/${WEB}
@@ -1,5 +1,5 @@
 # the web
-- host: t01
+- host: t02
   vmspecs:
     # the first
     - { name: web-1, hostname: web-1.lab.internal, ipaddress: 10.0.1.11, vcpus: 1, memoryGb: 0.5 }
`);
    expect(stderr).toMatch(/^VM +VCPUS +MEMORY +FROM +TO\nweb-1 +1 +0\.5 GiB +t01 +t02\nweb-2 /);
    expect(stderr).toContain('add `state: drained` to t01 in cluster.yaml');
    expect(await validated(stdout)).toContain(VALID);
  });

  it('commits to a new branch of a clone, whose work tree stays as it is', async () => {
    const head = site.git('rev-parse', 'HEAD');
    const { code, stdout, stderr } = await site.run([
      'drain',
      't01',
      '--branch',
      'drain-t01',
      '--clone',
      site.clone,
    ]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toContain('to the new branch drain-t01');
    expect(site.git('log', '-1', '--format=%s%n%n%b%P', 'drain-t01')).toBe(
      `Drain t01\n\nweb-1: t01 to t02\nweb-2: t01 to t02\n${head}`,
    );
    expect(site.git('diff', '--numstat', 'HEAD', 'drain-t01')).toBe(`1\t1\t${WEB}`);
    expect(site.git('status', '--porcelain')).toBe('');
    expect(site.git('branch', '--show-current')).toBe('main');
    expect(site.git('ls-remote', '--heads', 'origin')).not.toContain('drain-t01');
  });

  it.each([
    {
      name: 'the branch that is watched',
      branch: 'main',
      says: 'main is the branch that the operator watches',
    },
    { name: 'a branch that is there', branch: 'drain-t01', says: 'has a branch drain-t01 already' },
    { name: 'a name that is none', branch: 'a..b', says: 'a..b is no name of a branch' },
  ])('does not touch $name', async ({ branch, says }) => {
    const refs = site.git('for-each-ref', 'refs/heads');
    const { code, stderr } = await site.run(['drain', 't01', '--branch', branch, '--clone', site.clone]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(says) });
    expect(site.git('for-each-ref', 'refs/heads')).toBe(refs);
  });

  it('names what fits nowhere with the reason, and proposes the rest', async () => {
    site.write({ [WEB]: THREE.replace('vcpus: 1, memoryGb: 0.5 }', 'vcpus: 1, memoryGb: 15.75 }') });
    const { code, stdout, stderr } = await site.run(['drain', 't01', '--dir', site.clone]);
    site.git('checkout', '--quiet', '.');
    expect(code).toBe(1);
    expect(stderr).toContain('web-1 stays: t02: 15.75 GiB of memory needed, 15.5 GiB free');
    expect(stdout).toContain('+    - { name: web-2');
    expect(stdout).not.toContain('+    - { name: web-1');
  });

  it('makes one JSON document', async () => {
    const { stdout } = await site.run(['drain', 't01', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      moves: [
        { vm: 'web-1', from: 't01', to: 't02' },
        { vm: 'web-2', from: 't01', to: 't02' },
      ],
      left: [],
      issues: [],
      patch: expect.stringContaining('diff --git'),
    });
  });
});

describe('place', () => {
  const auto = `${THREE}- host: auto\n  vmspecs:\n    - { name: new-4, ipaddress: 10.0.9.14, vcpus: 1, memoryGb: 1 }\n`;

  it('is what validate points to, with the host that git alone would suggest', async () => {
    site.write({ [WEB]: auto });
    const { code, stdout } = await site.run(['validate', site.clone]);
    expect(code).toBe(1);
    expect(stdout).toContain(
      'manifests/web.yaml:10:9: host: auto is not for git (write t02, where git has the least memory, 0.5 GiB; `kvm-gitops place` asks the hosts and writes one)',
    );
  });

  it('puts a host with room in the place of auto', async () => {
    const { code, stdout } = await site.run(['place', '--dir', site.clone]);
    expect(code).toBe(0);
    expect(stdout).toContain('-- host: auto\n+- host: t02\n');
    execFileSync('git', ['apply', '-'], { cwd: site.clone, input: stdout });
    expect((await site.run(['validate', site.clone])).stdout).toContain('valid: 4 VMs on 2 hosts');
  });

  it('says where a VM is that has a host', async () => {
    const { code, stderr } = await site.run(['place', 'web-1']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('web-1 is under t01') });
  });
});

describe('rebalance', () => {
  it('proposes nothing where nothing is gained', async () => {
    const { code, stdout, stderr } = await site.run(['rebalance']);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(stderr).toMatch(/^now: spread \d+\.\d points\nno move gains 1 points/);
  });

  it('proposes a move with its gain', async () => {
    site.commit('All on one', {
      [WEB]: THREE.replace('host: t02', 'host: t01').replaceAll('memoryGb: 0.5', 'memoryGb: 4'),
    });
    const { code, stdout, stderr } = await site.run(['rebalance', '--max', '1']);
    expect(code).toBe(0);
    expect(stderr).toMatch(
      /^now: spread 42\.2 points\nVM .*GAIN\nweb-1 +1 +4 GiB +t01 +t02 +28\.1 points of spread\nthen: spread 14\.1 /,
    );
    expect(stdout).toContain('+- host: t02');
  });

  it('refuses a number that is none', async () => {
    const { code, stderr } = await site.run(['rebalance', '--max', 'many']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('--max is a number from 0 up'),
    });
  });
});
