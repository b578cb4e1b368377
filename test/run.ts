import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { labAvailable } from './lab/available.ts';
import { ensurePackages } from './lab/packages.ts';

/** Programs of OpenSSH that the tests of `src/hosts` and of the config talk to; every lab has them. */
const OPENSSH = ['/usr/sbin/sshd', 'ssh-keygen', 'ssh-agent'];
const NEEDS_OPENSSH = [
  'test/hosts/{ssh,ssh-credentials,known-hosts,host-link,libvirt-channel,host-keys}.test.ts',
  'test/config.test.ts',
];

/**
 * Runs every suite that can run here, and says plainly which ones it leaves out and why. Arguments are passed on to
 * vitest: `npm test -- plan` runs the files with `plan` in their name.
 */
async function main(args: readonly string[]): Promise<number> {
  const lab = labAvailable();
  const flags = ['unit', 'cli', 'contract', ...(lab.ok ? ['lab'] : [])].flatMap((project) => [
    '--project',
    project,
  ]);
  if (lab.ok) {
    await ensurePackages();
  } else {
    say(
      `Left out: the lab suite, and the contract suite against a real libvirtd: ${lab.reason}.`,
      'The contract suite runs against the simulator alone. KVM_GITOPS_LAB=require makes this a failure.',
    );
    const missing = OPENSSH.filter((program) => !isThere(program));
    if (missing.length > 0) {
      say(`Left out: the tests of SSH and of the config: ${missing.join(', ')} is missing (openssh-server).`);
      flags.push(...NEEDS_OPENSSH.flatMap((files) => ['--exclude', files]));
    }
  }
  const vitest = spawn('npx', ['vitest', 'run', ...flags, ...args], { stdio: 'inherit' });
  const [code] = await once(vitest, 'exit');
  return typeof code === 'number' ? code : 1;
}

function isThere(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program);
  return spawnSync(program, ['-?'], { stdio: 'ignore' }).error === undefined;
}

function say(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n\n`);
}

process.exitCode = await main(process.argv.slice(2));
