import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { CLUSTER_YAML, manifest, useSite } from './site.ts';

const site = useSite();
const WEB = 'manifests/web.yaml';
const SNEAKY = /"Sneaky" by Ann is not signed/;
const runs = (vm: string) => site.simulator.host('t01').host.isRunning(vm);
let [key, signers, config, top] = ['', '', '', ''];

function sign(isSigned: boolean): void {
  site.git('config', 'commit.gpgsign', String(isSigned));
}

beforeAll(() => {
  [key, signers] = [join(site.dir, 'ann'), join(site.dir, 'allowed_signers')];
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  writeFileSync(signers, `ann@lab.internal ${readFileSync(`${key}.pub`, 'utf8')}`, { mode: 0o644 });
  site.git('config', 'gpg.format', 'ssh');
  site.git('config', 'user.signingkey', key);
  config = site.configWith((text) =>
    text.replace('git: { ', 'git: { verify: { allowedSigners: allowed_signers }, '),
  );
});

const program = (...args: readonly string[]) => site.run([...args, '--config', config]);

/** One story: each test goes on where the one before ended. */
describe('an operator that takes only signed commits', () => {
  it('applies a signed one, and config check finds the key good', async () => {
    sign(true);
    site.commit('Signed', { 'cluster.yaml': CLUSTER_YAML, [WEB]: manifest('t01', 'web-1', 'web-2') });
    expect(await program('reconcile', '--once')).toMatchObject({ code: 0 });
    expect(runs('web-2')).toBe(true);
    const { code, stdout } = await program('config', 'check');
    expect(stdout).toMatch(
      /ok +signatures, .*\n +1 lines of SSH signers; [0-9a-f]{12} is signed by one of them/,
    );
    expect(code).toBe(0);
  });

  it('refuses an unsigned one that removes a VM, also below a signed one, in plan, note and status', async () => {
    sign(false);
    site.commit('Sneaky', { [WEB]: manifest('t01', 'web-1') });
    sign(true);
    top = site.commit('On top');
    const { code, stdout } = await program('reconcile', '--once');
    expect(code).toBe(1);
    expect(stdout).toMatch(/^refused[^]*E_GIT_SIGNATURE: .*"Sneaky" by Ann is not signed/);
    expect(runs('web-2')).toBe(true);
    const plan = await program('plan');
    expect(plan.stdout).toMatch(/would be refused:\n {2}[0-9a-f]{12}: .*"Sneaky" by Ann is not signed/);
    expect(plan.code).toBe(1);
    expect((await program('log')).stdout).toContain('E_GIT_SIGNATURE');
  });

  it('says so too where it is asked for by name, and not of an older one', async () => {
    expect((await program('plan', '--revision', top)).stdout).toMatch(SNEAKY);
    expect((await program('plan', '--revision', 'main~2')).stdout).not.toContain('would be refused');
  });

  it.each(['drift', 'capacity', 'names'])('shows it in %s with a warning', async (command) => {
    const { stderr } = await program(command);
    expect(stderr).toMatch(/^warning: this commit would be refused: /);
    expect(stderr).toMatch(SNEAKY);
  });

  it('proposes nothing upon it', async () => {
    const { code, stdout, stderr } = await program('drain', 't01');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(SNEAKY);
  });

  it('lets the newest vouch for it where operator.yaml says so', async () => {
    const head = site.configWith(
      (text) =>
        text.replace('git: { ', 'git: { verify: { allowedSigners: allowed_signers, require: head }, '),
      'head.yaml',
    );
    expect(await site.run(['reconcile', '--once', '--config', head])).toMatchObject({ code: 0 });
    expect(site.git('rev-parse', 'HEAD')).toBe(top);
    expect(runs('web-2')).toBe(false);
  });

  it('says that a proposal on a new branch has still to be signed', async () => {
    const { code, stderr } = await program('drain', 't01', '--branch', 'drain-t01', '--clone', site.clone);
    expect(stderr).toContain('git switch drain-t01 && git commit --amend --no-edit -S\n');
    expect(code).toBe(0);
    expect((await program('drain', 't01')).stderr).not.toContain('--amend');
  });

  it.each([
    [
      'a file that is not there',
      '{ allowedSigners: nowhere }',
      /failed +signatures.*\n +the keys cannot be read: ENOENT/,
    ],
    ['no key', '{ allowedSigners: empty }', /failed +signatures.*\n +\S+ has no key in it/],
    ['keys that are none', '{ gpgKeys: empty }', /failed +signatures.*\n +git\.verify\.gpgKeys: /],
  ])('is told by config check of %s', async (_, verify, said) => {
    writeFileSync(join(site.dir, 'empty'), '# nothing\n', { mode: 0o644 });
    const wrong = site.configWith(
      (text) => text.replace('git: { ', `git: { verify: ${verify}, `),
      'wrong.yaml',
    );
    const { code, stdout } = await site.run(['config', 'check', '--config', wrong]);
    expect(stdout).toMatch(said);
    expect(code).toBe(1);
  });

  it('cannot be told to trust by no file at all', async () => {
    const wrong = site.configWith(
      (text) => text.replace('git: { ', 'git: { verify: { require: head }, '),
      'wrong.yaml',
    );
    const { code, stderr } = await site.run(['plan', '--config', wrong]);
    expect(stderr).toContain('git.verify: expected allowedSigners, gpgKeys or both');
    expect(code).toBe(1);
  });
});
