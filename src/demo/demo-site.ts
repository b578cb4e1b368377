import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DemoHosts } from './demo-hosts.ts';
import { freePort } from './free-port.ts';

const runFile = promisify(execFile);
const NOTES = '+refs/notes/kvm-gitops:refs/notes/kvm-gitops';

/** What a team would have: a remote, a clone to work in, and the operator's config. */
export interface DemoSite {
  readonly dir: string;
  /** The clone to edit. */
  readonly clone: string;
  readonly config: string;
  remove(): Promise<void>;
}

/** Makes a bare repository from `manifests-repo-template`, a clone of it, and operator.yaml, in a temporary folder. */
export async function createSite(hosts: DemoHosts): Promise<DemoSite> {
  const dir = await mkdtemp(join(await realpath(tmpdir()), 'kvm-gitops-demo-'));
  const remove = () => rm(dir, { recursive: true, force: true });
  try {
    return { dir, ...(await furnish(dir, hosts)), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function furnish(dir: string, hosts: DemoHosts): Promise<Pick<DemoSite, 'clone' | 'config'>> {
  const clone = join(dir, 'manifests');
  const remote = join(dir, 'manifests.git');
  await git(dir, ['init', '--quiet', '--bare', '--initial-branch=main', remote]);
  await cp(fileURLToPath(new URL('../../manifests-repo-template', import.meta.url)), clone, {
    recursive: true,
  });
  await git(clone, ['init', '--quiet', '--initial-branch=main']);
  await git(clone, ['config', 'user.name', 'Demo']);
  await git(clone, ['config', 'user.email', 'demo@example.invalid']);
  // Whoever signs all commits would be asked for a passphrase here.
  await git(clone, ['config', 'commit.gpgSign', 'false']);
  await git(clone, ['config', 'notes.displayRef', 'refs/notes/kvm-gitops']);
  await git(clone, ['remote', 'add', 'origin', remote]);
  await git(clone, ['config', '--add', 'remote.origin.fetch', NOTES]);
  await git(clone, ['add', '--all']);
  await git(clone, ['commit', '--quiet', '--message', 'First machines']);
  await git(clone, ['push', '--quiet', '--set-upstream', 'origin', 'main']);
  await mkdir(join(dir, 'state'));
  const config = join(dir, 'operator.yaml');
  await writeFile(config, operatorYaml(hosts, remote, await freePort()));
  return { clone, config };
}

async function git(cwd: string, args: readonly string[]): Promise<void> {
  await runFile('git', [...args], { cwd });
}

function operatorYaml({ key, knownHosts, hosts, virtType }: DemoHosts, remote: string, port: number): string {
  const lines = hosts.map(
    ({ name, address, port: ssh }) =>
      `  ${name}: { address: ${address}, port: ${ssh}, virtType: ${virtType} }`,
  );
  return `state: ./state
git:
  remote: ${remote}
ssh:
  key: ${key}
  knownHosts: ${knownHosts}
hosts:
${lines.join('\n')}
http:
  listen: 127.0.0.1:${port}
log:
  level: error
`;
}
