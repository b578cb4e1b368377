import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { createRemote, git, type RemoteFixture, tempDir } from '../git/fixture.ts';
import { PROGRAM, ROOT } from '../program.ts';
import { startCli } from './site.ts';

const COMMAND = PROGRAM.join(' ');
const ENV = { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_GLOBAL: '/dev/null' };
const BAD = '- host: t01\n  vmspecs:\n    - { name: web-9, vcpus: none }\n';

let template: Readonly<Record<string, string>>;

beforeAll(() => {
  const dir = join(ROOT, 'manifests-repo-template');
  template = Object.fromEntries(
    readdirSync(dir, { recursive: true, encoding: 'utf8' })
      .filter((path) => statSync(join(dir, path)).isFile())
      .map((path) => [path, readFileSync(join(dir, path), 'utf8')]),
  );
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program as a person would; it may fail. */
function run(cwd: string, argv: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const [program = '', ...args] = argv;
  return new Promise((done) => {
    execFile(program, args, { cwd, env: { ...ENV, ...env } }, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr }),
    );
  });
}

describe('kvm-gitops init', () => {
  it('writes the whole template into a new folder, and the result is valid', async () => {
    const dir = join(tempDir(), 'new', 'vms');
    const { code, stdout } = await startCli(['init', dir], {}).finished;
    expect(code).toBe(0);
    expect(stdout).toContain(`kvm-gitops validate ${dir}`);
    for (const [path, content] of Object.entries(template))
      expect(readFileSync(join(dir, path), 'utf8')).toBe(content);
    for (const path of ['ci/validate.sh', 'hooks/pre-receive', 'hooks/post-receive'])
      expect(statSync(join(dir, path)).mode & 0o100).toBe(0o100);
    expect((await run(dir, ['sh', 'ci/validate.sh'], { KVM_GITOPS: COMMAND })).stdout).toMatch(
      /^valid: 6 VMs/,
    );
  });

  it('takes a folder with nothing but .git in it, and no other that is not empty', async () => {
    const dir = tempDir();
    mkdirSync(join(dir, '.git'));
    expect((await startCli(['init', dir], {}).finished).code).toBe(0);
    const again = await startCli(['init', dir], {}).finished;
    expect(again).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('is not empty (') });
  });
});

describe('the checks for CI', () => {
  it.each(['.github/workflows/validate.yml', '.gitea/workflows/validate.yml'])(
    '%s only reads, pins its actions, and takes no text of a pull request into a script',
    (path) => {
      const workflow = parse(template[path] ?? '');
      const { steps } = workflow.jobs.validate;
      for (const { uses = `@${'0'.repeat(40)}` } of steps) expect(uses).toMatch(/@[0-9a-f]{40}$/);
      for (const { run: script } of steps) expect(script ?? '').not.toContain('${{');
      expect(steps[0].with).toMatchObject({ 'fetch-depth': 0, 'persist-credentials': false });
      expect(Object.keys(workflow.on)).toEqual(['pull_request', 'push']);
    },
  );

  it('has no right but to read on GitHub', () => {
    expect(parse(template['.github/workflows/validate.yml'] ?? '').permissions).toEqual({ contents: 'read' });
  });

  it('shows what a branch changes, and fails for one whose merge is not valid', async () => {
    const { work } = templateRemote();
    const check = (base: string) => run(work, ['sh', 'ci/validate.sh'], { KVM_GITOPS: COMMAND, BASE: base });
    git(work, 'checkout', '--quiet', '-b', 'feature');
    writeFileSync(join(work, 'manifests/more.json'), '[]');
    commit(work, 'More');
    expect(await check('origin/main')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('valid, 6 VMs'),
    });
    writeFileSync(join(work, 'manifests/more.yaml'), BAD);
    commit(work, 'Bad');
    const bad = await check('origin/main');
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain('`manifests/more.yaml:3:');
    const script = parse(template['.gitlab-ci.yml'] ?? '').validate.script[0];
    const env = { KVM_GITOPS: COMMAND, CI_MERGE_REQUEST_TARGET_BRANCH_NAME: 'main' };
    expect(await run(work, ['sh', '-c', script], env)).toEqual(bad);
  });
});

/** A bare repository that has the template on main, and a clone. */
function templateRemote(): RemoteFixture {
  const remote = createRemote();
  cpSync(join(ROOT, 'manifests-repo-template'), remote.work, { recursive: true });
  remote.push('Start');
  return remote;
}

function commit(work: string, subject: string): void {
  git(work, 'add', '--all');
  git(work, 'commit', '--quiet', '--allow-empty', '--message', subject);
}

function install(bare: string, hook: 'pre-receive' | 'post-receive', config: Record<string, string>): void {
  cpSync(join(ROOT, 'manifests-repo-template/hooks', hook), join(bare, 'hooks', hook));
  for (const [key, value] of Object.entries(config)) git(bare, 'config', `kvm-gitops.${key}`, value);
}

describe('the pre-receive hook', () => {
  function guarded(config: Record<string, string> = { command: COMMAND }) {
    const remote = templateRemote();
    install(remote.bare, 'pre-receive', config);
    const push = (...refs: string[]) => run(remote.work, ['git', 'push', 'origin', ...refs]);
    const tip = () => git(remote.bare, 'rev-parse', 'main');
    const change = (path: string, content: string | undefined) => {
      if (content === undefined) rmSync(join(remote.work, path));
      else writeFileSync(join(remote.work, path), content);
      commit(remote.work, `Change ${path}`);
      return git(remote.work, 'rev-parse', 'HEAD');
    };
    return { ...remote, run: push, tip, change };
  }

  it('lets a valid push through, and refuses one with a mistake, with its line', async () => {
    const { run: push, tip, change } = guarded();
    const good = change('manifests/more.json', '[]');
    expect((await push('main')).code).toBe(0);
    expect(tip()).toBe(good);
    change('manifests/more.yaml', BAD);
    const refused = await push('main');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/remote: manifests\/more\.yaml:3:\d+: /);
    expect(refused.stderr).toContain('push refused: the manifests of');
    expect(tip()).toBe(good);
    const mended = change('manifests/more.yaml', undefined);
    expect((await push('main')).code).toBe(0);
    expect(tip()).toBe(mended);
  });

  it('looks at what the branch would be: no attribute of the repository hides a file', async () => {
    const { run: push, change } = guarded();
    change('.gitattributes', 'manifests/more.yaml export-ignore -text\n');
    change('manifests/more.yaml', BAD);
    expect((await push('main')).code).toBe(1);
  });

  it('lets other branches and tags through, refuses all of a push with a bad main in it', async () => {
    const { run: push, tip, change, bare } = guarded();
    const before = tip();
    change('manifests/more.yaml', BAD);
    expect((await push('HEAD:refs/heads/work', 'HEAD:refs/tags/v1')).code).toBe(0);
    expect((await push('HEAD:refs/heads/other', 'HEAD:main')).code).toBe(1);
    expect(git(bare, 'for-each-ref', '--format=%(refname)')).toBe(
      'refs/heads/main\nrefs/heads/work\nrefs/tags/v1',
    );
    expect(tip()).toBe(before);
    expect((await push(':refs/heads/work')).code).toBe(0);
  });

  it('refuses to delete the branch, and takes it where it is new', async () => {
    const { run: push, bare } = guarded();
    git(bare, 'config', 'receive.denyDeleteCurrent', 'ignore');
    const refused = await push(':main');
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('main is what the operator follows'),
    });
    git(bare, 'update-ref', '-d', 'refs/heads/main');
    expect((await push('main')).code).toBe(0);
  });

  it('guards the branch that it is told to', async () => {
    const { run: push, change } = guarded({ command: COMMAND, branch: 'live' });
    change('manifests/more.yaml', BAD);
    expect((await push('main')).code).toBe(0);
    expect((await push('main:live')).code).toBe(1);
  });

  it('refuses where it cannot check, and says so', async () => {
    const { run: push, tip, change } = guarded({ command: '/nowhere/kvm-gitops' });
    const before = tip();
    change('manifests/more.json', '[]');
    expect(await push('main')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the check could not be run (/nowhere/kvm-gitops)'),
    });
    expect(tip()).toBe(before);
  });
});

describe('the post-receive hook', () => {
  it('signs what it tells the operator, and a push does not mind when nobody hears it', async () => {
    const remote = templateRemote();
    const heard: { body: string; signature: unknown }[] = [];
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        heard.push({ body, signature: request.headers['x-signature'] });
        return response.writeHead(202).end();
      });
    });
    const port = await new Promise<number>((done) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        done(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    onTestFinished(() => void server.close());
    const secretFile = join(tempDir(), 'secret');
    writeFileSync(secretFile, 'hunter2\n', { mode: 0o600 });
    install(remote.bare, 'post-receive', { webhook: `http://127.0.0.1:${port}/webhook`, secretFile });
    commit(remote.work, 'Anything');
    expect((await run(remote.work, ['git', 'push', 'origin', 'main', 'main:other'])).code).toBe(0);
    const body = '{"ref":"refs/heads/main"}';
    const signature = `sha256=${createHmac('sha256', 'hunter2').update(body).digest('hex')}`;
    expect(heard).toEqual([{ body, signature }]);

    git(remote.bare, 'config', 'kvm-gitops.webhook', 'http://127.0.0.1:1/webhook');
    commit(remote.work, 'Anything else');
    const unheard = await run(remote.work, ['git', 'push', 'origin', 'main']);
    expect(unheard).toMatchObject({ code: 0, stderr: expect.stringContaining('the operator was not told') });
  });
});
