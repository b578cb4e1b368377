import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { labAvailable } from './lab/available.ts';

/**
 * Runs every suite that can run here, and says plainly which ones it leaves out and why. Arguments are passed on to
 * vitest: `npm test -- plan` runs the files with `plan` in their name.
 */
async function main(args: readonly string[]): Promise<number> {
  const lab = labAvailable();
  const projects = lab.ok ? ['unit', 'contract', 'lab'] : ['unit', 'contract'];
  if (!lab.ok) {
    process.stdout.write(
      `Left out: the lab suite, and the contract suite against a real libvirtd: ${lab.reason}.\n` +
        'The contract suite runs against the simulator alone. KVM_GITOPS_LAB=require makes this a failure.\n\n',
    );
  }
  const flags = projects.flatMap((project) => ['--project', project]);
  const vitest = spawn('npx', ['vitest', 'run', ...flags, ...args], { stdio: 'inherit' });
  const [code] = await once(vitest, 'exit');
  return typeof code === 'number' ? code : 1;
}

process.exitCode = await main(process.argv.slice(2));
