import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { PROGRAM, ROOT } from '../program.ts';
import { CLUSTER_YAML, manifest, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
const both = manifest('t01', 'web-1') + manifest('t02', 'web-2');

beforeAll(() => {
  site.commit('First machines', { 'cluster.yaml': CLUSTER_YAML, [WEB]: both });
});

/** One story: each test goes on where the one before ended. */
describe('the commands, in the order of a day', () => {
  it('config check says of everything that it works, and how the hosts are reached', async () => {
    const { code, stdout, stderr } = await site.run(['config', 'check']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.match(/^ok/gm)).toHaveLength(5);
    expect(stdout).toMatch(/host t01 \(root@.*\n.*by streamlocal/);
    expect(stdout).toContain('2 files; notes go to refs/notes/kvm-gitops');
  });

  it('status without an operator says so, and that no pass has been made yet', async () => {
    const { code, stdout } = await site.run(['status']);
    expect(code).toBe(1);
    expect(stdout).toBe(
      `no operator answers on 127.0.0.1:${site.port}; this is what the journal says\nno pass has been made yet\n`,
    );
  });

  it('plan shows the steps of each host and ends with 2; it changes nothing', async () => {
    const { code, stdout, stderr } = await site.run(['plan'], { CI: 'true' });
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' });
    expect(stdout).toMatch(
      /^plan [0-9a-f]{12} First machines\n\nt01\n {2}\+ create {2}web-1 {2}in git, not on the host\n {2}> start/,
    );
    expect(stdout).toMatch(/\n2 to create, 2 to start\n$/);
    expect(site.simulator.host('t01').host.vms()).toEqual([]);
    expect(existsSync(join(site.state, 'inventory.json'))).toBe(false);
  });

  it('plan --json is one JSON document', async () => {
    const { code, stdout } = await site.run(['plan', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      v: 1,
      accepted: true,
      issues: [],
      steps: [
        { kind: 'create', host: 't01', subject: 'web-1' },
        { kind: 'start' },
        { kind: 'create' },
        { kind: 'start' },
      ],
    });
  });

  it('capacity shows what hosts have, use, and would use', async () => {
    const { code, stdout } = await site.run(['capacity']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^t01 +total +limit +used now +with git +available\nvcpus +8 +32 +0 +1 +31\n/);
  });

  it('reconcile --once makes the VMs, prints the note, and tells its progress on stderr', async () => {
    const { code, stdout, stderr } = await site.run(['reconcile', '--once']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^applied/);
    expect(stderr.match(/^done /gm)).toHaveLength(4);
    expect(
      ['t01', 't02'].map((name) =>
        site.simulator
          .host(name)
          .host.vms()
          .map((vm) => vm.running),
      ),
    ).toEqual([[true], [true]]);
    expect(readdirSync(site.state)).not.toContain('operator.lock');
    site.git('fetch', '--quiet', 'origin', 'refs/notes/*:refs/notes/*');
    expect(site.git('notes', '--ref=kvm-gitops', 'show', 'HEAD')).toMatch(/^applied/);
  });

  it('plan ends with 0 when there is nothing to do', async () => {
    const { code, stdout } = await site.run(['plan']);
    expect(code).toBe(0);
    expect(stdout).toContain('nothing to do: the hosts are as git wants them');
  });

  it('plan [dir] plans the files of a folder', async () => {
    site.write({ [WEB]: manifest('t01', 'web-1', 'web-3') + manifest('t02', 'web-2') });
    const { code, stdout } = await site.run(['plan', site.clone]);
    expect(code).toBe(2);
    expect(stdout).toMatch(/\+ create {2}web-3/);
    site.write({ [WEB]: both });
  });

  it('plan --revision plans an earlier commit, and says when there is none of that name', async () => {
    site.commit('Third', { 'manifests/third.yaml': manifest('t01', 'web-3') });
    const { code, stdout } = await site.run(['plan', '--revision', 'main~1']);
    expect(code).toBe(0);
    expect(stdout).toContain('First machines');
    const none = await site.run(['plan', '--revision', 'nowhere']);
    expect(none).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('E_USAGE: "nowhere" is no commit'),
    });
  });

  it('plan of more than a host can hold ends with 1 and the numbers', async () => {
    site.write({ [WEB]: both.replaceAll('memoryGb: 0.5', 'memoryGb: 50') });
    const { code, stdout } = await site.run(['plan', site.clone]);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /this commit would be refused:\n.*\n.*web\.yaml:\d+: host t02 has no room: memory 50 GiB wanted, 16 GiB/,
    );
    expect((await site.run(['capacity', site.clone])).code).toBe(1);
    site.write({ [WEB]: both });
  });

  it('a removal keeps the disks until it is purged by hand, which nobody does without being asked', async () => {
    site.commit('Remove web-1 and web-3', {
      [WEB]: manifest('t02', 'web-2'),
      'manifests/third.yaml': undefined,
    });
    expect(await site.run(['reconcile', '--once'])).toMatchObject({ code: 0 });
    expect(site.simulator.host('t01').host.vms()).toMatchObject([{ name: 'web-1', running: false }]);

    const refused = await site.run(['purge', 'web-1']);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('add --yes') });
    expect(await site.run(['reconcile', '--once'])).toMatchObject({ code: 0 });
    expect(site.simulator.host('t01').host.vms()).toHaveLength(1);
  });

  it('a purge by hand says what it waits for, and deletes the disks then', async () => {
    await site.run(['suspend', 't01', '--reason', 'new disks', '--for', '2h']);
    const purged = await site.run(['purge', 'web-1', '--yes']);
    expect(purged).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(
        /default\/web-1-vda\.qcow2\n.* now, and it waits: suspended by .* new disks\n$/,
      ),
    });
    expect(await site.run(['resume', 't01'])).toMatchObject({ code: 0 });
    expect(await site.run(['reconcile', '--once'])).toMatchObject({ code: 0 });
    expect(site.simulator.host('t01').host.vms()).toEqual([]);
    expect(
      site.simulator
        .host('t01')
        .host.storage.files()
        .map(([path]) => path),
    ).toEqual(['/var/lib/libvirt/images/base.qcow2']);
  });

  it.each([
    ['a VM that is in git', 'web-2', 'it has not been removed: delete it from the manifests first'],
    ['a VM that nobody knows', 'nobody', 'no known host has it as ours'],
  ])('purge refuses %s', async (_, vm, why) => {
    const { code, stdout, stderr } = await site.run(['purge', vm, '--yes']);
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: `kvm-gitops: E_USAGE: ${vm} cannot be purged: ${why}\n`,
    });
  });

  it('a removal that is guarded waits until its hash is confirmed', async () => {
    site.commit('Remove all', { [WEB]: undefined });
    const held = await site.run(['reconcile', '--once', '--json']);
    expect(held.code).toBe(1);
    const { status, confirmation, held: reasons } = JSON.parse(held.stdout);
    expect(status).toBe('partial');
    expect(reasons).toMatchObject([{ because: 'guard', reason: 'git declares no VM at all' }]);
    expect(site.simulator.host('t02').host.isRunning('web-2')).toBe(true);

    expect(await site.run(['confirm', '0123456789ab'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`what waits is ${confirmation}`),
    });
    expect(await site.run(['confirm', confirmation])).toMatchObject({ code: 0, stderr: '' });
    expect(await site.run(['reconcile', '--once'])).toMatchObject({ code: 0 });
    expect(site.simulator.host('t02').host.isRunning('web-2')).toBe(false);
  });

  it('a mistake is refused, and what was accepted before stays in force', async () => {
    site.commit('Broken', { [WEB]: '- host: t01\n  vmspecs:\n    - { name: web-9, vcpu: 1 }\n' });
    const { code, stdout, stderr } = await site.run(['reconcile', '--once']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/^refused/);
    expect(stdout).toMatch(/manifests\/web\.yaml:3:\d+/);
  });

  it('log shows each commit with its note', async () => {
    const { code, stdout, stderr } = await site.run(['log', '-n', '3']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.match(/^[0-9a-f]{12} .*$/gm)).toHaveLength(3);
    expect(stdout).toMatch(/^[0-9a-f]{12} Broken .*\n {4}refused/);
    expect(stdout).not.toContain('{');
    const entries: unknown = JSON.parse((await site.run(['log', '-n', '1', '--json'])).stdout);
    expect(entries).toMatchObject([{ subject: 'Broken', note: { v: 1 } }]);
  });

  it('log refuses a limit that is no number', async () => {
    expect(await site.run(['log', '-n', 'all'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--limit takes a whole number'),
    });
  });

  it('notes push brings notes back that the remote has lost', async () => {
    execFileSync('git', ['update-ref', '-d', 'refs/notes/kvm-gitops'], { cwd: site.remote });
    const { code, stdout, stderr } = await site.run(['notes', 'push']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\d notes are at the remote\n$/);
    expect(
      execFileSync('git', ['notes', '--ref=kvm-gitops', 'list'], { cwd: site.remote, encoding: 'utf8' }),
    ).not.toBe('');
  });

  it('reconcile --once says when its note could not be written, and what writes it', async () => {
    site.commit('Unwritten', { [WEB]: both });
    execFileSync('git', ['config', 'receive.denyCurrentBranch', 'refuse'], { cwd: site.remote });
    execFileSync('git', ['config', 'transfer.hideRefs', 'refs/notes'], { cwd: site.remote });
    const { stderr } = await site.run(['reconcile', '--once']);
    expect(stderr).toMatch(/notes? .*not at the remote: [^]*kvm-gitops notes push/);
    execFileSync('git', ['config', '--unset', 'transfer.hideRefs'], { cwd: site.remote });
  });
});

describe('validate', () => {
  it('knows the hosts from the config, and names one that it does not know', async () => {
    const { code, stdout, stderr } = await site.run([
      'validate',
      join(ROOT, 'manifests-repo-template'),
      '--config',
      site.config,
    ]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/t03/);
  });

  it('lists every mistake with its place, and ends with 1', async () => {
    site.write({
      'manifests/bad.yaml':
        '- host: t09\n  vmspecs:\n    - { name: web 1, hostname: h, ipaddress: 1.2.3, vcpus: 0, memoryGb: 1 }\n',
    });
    const { code, stdout, stderr } = await site.run(['validate', site.clone]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    for (const place of ['bad.yaml:1:', 'bad.yaml:3:']) expect(stdout).toContain(place);
    expect(stdout).toMatch(/\d mistakes\n$/);
    const json: unknown = JSON.parse((await site.run(['validate', site.clone, '--json'])).stdout);
    expect(json).toMatchObject({ ok: false, issues: [{ file: 'manifests/bad.yaml' }, {}, {}, {}] });
    site.write({ 'manifests/bad.yaml': undefined });
  });

  it('says that a folder cannot be read', async () => {
    expect(await site.run(['validate', '/nowhere'])).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('/nowhere cannot be read'),
    });
  });
});

describe('trouble', () => {
  it('config check of a dead host ends with 1, says why, and does not hang', async () => {
    const config = site.configWith((text) => text.replace(/t02: .*/, 't02: { address: 127.0.0.1, port: 1 }'));
    const { code, stdout } = await site.run(['config', 'check', '--config', config]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^failed {2}host t02 .*\n.*ECONNREFUSED|refused/m);
    expect(stdout.match(/^ok/gm)).toHaveLength(4);
  });

  it('plan says that a host is unknown, and does not call all well', async () => {
    const config = site.configWith((text) => text.replace(/t02: .*/, 't02: { address: 127.0.0.1, port: 1 }'));
    site.write({ [WEB]: manifest('t01', 'web-1') + manifest('t02', 'web-2') });
    const { stdout } = await site.run(['plan', site.clone, '--config', config]);
    expect(stdout).toMatch(/t02 is unknown, its VMs are left alone: /);
    expect(stdout).toContain('nothing to do: the hosts that answer are as git wants them');
  });

  it.each([
    ['a wrong key', (text: string) => `${text}intervall: 5s\n`, /operator.*|other\.yaml:\d+:\d+.*intervall/],
    ['no YAML', () => 'git: [', /other\.yaml:1/],
  ])('a config with %s is an error with its place', async (_, change, message) => {
    const { code, stdout, stderr } = await site.run(['config', 'check', '--config', site.configWith(change)]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^kvm-gitops: E_CONFIG_INVALID/);
    expect(stderr).toMatch(message);
  });

  it.each([
    ['no command of that name', ['reconcil'], /unknown command 'reconcil'/],
    ['no option of that name', ['plan', '--jsn'], /unknown option '--jsn'/],
  ])('%s is an error on stderr', async (_, args, message) => {
    const { code, stdout, stderr } = await site.run(args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(message);
  });

  it('a reader that has seen enough is no error', () => {
    const command = `"${PROGRAM.join('" "')}" log --json | true`;
    const env = { ...process.env, KVM_GITOPS_CONFIG: site.config };
    const pipe = spawnSync('bash', ['-o', 'pipefail', '-c', command], { cwd: ROOT, env, encoding: 'utf8' });
    expect(pipe).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });

  it('schemas writes both schemas and prints their paths', async () => {
    const { code, stdout } = await site.run(['schemas', join(site.dir, 'out')]);
    const paths = stdout.trim().split('\n');
    expect(code).toBe(0);
    expect(paths).toHaveLength(2);
    for (const path of paths) expect(() => JSON.parse(readFileSync(path, 'utf8'))).not.toThrow();
  });
});
