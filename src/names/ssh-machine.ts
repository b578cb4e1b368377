import { OperatorError } from '../errors.ts';
import { connectSsh, type SshConnection } from '../hosts/ssh.ts';
import type { SshTarget } from '../hosts/ssh-target.ts';
import type { Ended, Machine } from './machine.ts';
import { scratchPath } from './scratch-path.ts';

/** A machine that does not answer is left alone for so long: each pass would wait for it. */
const PAUSE_MS = 30_000;

/** Where dhcp_release and dnsmasq are, a plain user's own PATH often does not look. */
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface Failure {
  readonly error: unknown;
  readonly until: number;
}

/** A machine that SSH reaches; connects when it is first needed, and again after a loss. */
export function sshMachine(target: SshTarget): Machine {
  let connecting: Promise<SshConnection> | undefined;
  let open: SshConnection | undefined;
  let failure: Failure | undefined;

  async function connect(): Promise<SshConnection> {
    if (failure !== undefined && failure.until > performance.now()) throw failure.error;
    try {
      open = await connectSsh(target);
      failure = undefined;
      return open;
    } catch (error) {
      failure = { error, until: performance.now() + PAUSE_MS };
      throw error;
    } finally {
      connecting = undefined;
    }
  }

  async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ended> {
    options.signal?.throwIfAborted();
    const ssh = open?.lost === undefined && open !== undefined ? open : await (connecting ??= connect());
    return ssh.exec(['env', PATH, ...argv], options);
  }

  async function read(argv: readonly string[], absent: RegExp, signal?: AbortSignal) {
    const { code, stdout, stderr } = await run(argv, signal === undefined ? {} : { signal });
    if (code === 0) return stdout;
    if (absent.test(stderr)) return undefined;
    throw refused(target, argv, stderr);
  }

  async function must(argv: readonly string[], input?: string): Promise<void> {
    const { code, stderr } = await run(argv, input === undefined ? {} : { input });
    if (code !== 0) throw refused(target, argv, stderr);
  }

  return {
    name: target.address,
    address: target.address,
    read: (path, signal) => read(['cat', '--', path], /No such file or directory/, signal),
    async list(path, signal) {
      // With the slash a plain file is an error, as it is for a folder that is not there.
      const argv = ['ls', '-1A', '--', `${path}/`];
      const names = await read(argv, /No such file or directory|Not a directory/, signal);
      return names?.split('\n').filter((name) => name !== '');
    },
    async replace(path, text) {
      const scratch = scratchPath(path);
      await must(['dd', `of=${scratch}`, 'conv=fsync', 'status=none'], text);
      await must(['chmod', '0644', '--', scratch]);
      await must(['mv', '-fT', '--', scratch, path]);
    },
    run: (argv, signal) => run(argv, signal === undefined ? {} : { signal }),
    close() {
      open?.close();
    },
  };
}

interface RunOptions {
  readonly signal?: AbortSignal;
  readonly input?: string;
}

function refused(target: SshTarget, argv: readonly string[], stderr: string): OperatorError {
  return new OperatorError('E_DNSMASQ', `${target.address}: ${argv.join(' ')}: ${stderr.trim()}`);
}
