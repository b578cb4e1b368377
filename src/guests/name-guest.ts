import { OperatorError } from '../errors.ts';

/** A way to run programs in a guest: SSH, or its agent. */
interface Shell {
  readonly target: { readonly name: string; readonly user: string };
  exec(
    argv: readonly string[],
    options?: { readonly input?: string },
  ): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** Gives a machine its host name, for now and for its next boot, and looks whether it has it. Nothing is done where it has. */
export async function nameGuest(guest: Shell, hostname: string): Promise<void> {
  if ((await nameOf(guest)) === hostname) return;
  const asRoot = guest.target.user === 'root' ? [] : ['sudo', '-n'];
  const { code } = await guest.exec([...asRoot, 'hostnamectl', 'set-hostname', hostname]);
  // No systemd, or no bus: the file and the kernel then, as hostnamectl would do it.
  if (code !== 0) {
    await run(guest, [...asRoot, 'tee', '/etc/hostname'], `${hostname}\n`);
    await run(guest, [...asRoot, 'hostname', hostname]);
  }
  const name = await nameOf(guest);
  if (name === hostname) return;
  throw new OperatorError('E_GUEST', `${guest.target.name} was named ${hostname}, and is ${name}`);
}

async function nameOf(guest: Shell): Promise<string> {
  return (await run(guest, ['uname', '-n'])).trim();
}

async function run(guest: Shell, argv: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await guest.exec(argv, input === undefined ? {} : { input });
  if (code === 0) return stdout;
  const said = stderr.trim().slice(0, 500);
  throw new OperatorError('E_GUEST', `${guest.target.name}: ${argv.join(' ')} ended with ${code}: ${said}`);
}
