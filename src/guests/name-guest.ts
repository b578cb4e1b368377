import { OperatorError } from '../errors.ts';
import type { SshConnection } from '../hosts/ssh.ts';

type Shell = Pick<SshConnection, 'exec' | 'target'>;

/** Gives a machine its host name, for now and for its next boot, and looks whether it has it. Nothing is done where it has. */
export async function nameGuest(ssh: Shell, hostname: string): Promise<void> {
  if ((await nameOf(ssh)) === hostname) return;
  const asRoot = ssh.target.user === 'root' ? [] : ['sudo', '-n'];
  const { code } = await ssh.exec([...asRoot, 'hostnamectl', 'set-hostname', hostname]);
  // No systemd, or no bus: the file and the kernel then, as hostnamectl would do it.
  if (code !== 0) {
    await run(ssh, [...asRoot, 'tee', '/etc/hostname'], `${hostname}\n`);
    await run(ssh, [...asRoot, 'hostname', hostname]);
  }
  const name = await nameOf(ssh);
  if (name === hostname) return;
  throw new OperatorError('E_GUEST', `${ssh.target.name} was named ${hostname}, and is ${name}`);
}

async function nameOf(ssh: Shell): Promise<string> {
  return (await run(ssh, ['uname', '-n'])).trim();
}

async function run(ssh: Shell, argv: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await ssh.exec(argv, input === undefined ? {} : { input });
  if (code === 0) return stdout;
  const said = stderr.trim().slice(0, 500);
  throw new OperatorError('E_GUEST', `${ssh.target.name}: ${argv.join(' ')} ended with ${code}: ${said}`);
}
