import type { Domain } from './domain.ts';
import { CODES, internalError, LibvirtFailure, wrongState } from './failure.ts';

/** What the agent of a guest shows of it. A test may change any of it. */
export interface Guest {
  hostName: string;
  /** Its file systems are frozen. */
  frozen: boolean;
  /** Commands that its agent is told to refuse. */
  forbidden: readonly string[];
  /** What is run in it by name: the exit code, and what it printed. */
  readonly programs: Map<string, (args: readonly string[], input: string) => Omit<Ended, 'told'>>;
  readonly files: Map<string, string>;
  readonly processes: Map<number, Ended>;
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** A program that was begun just now still runs when it is looked at first. */
  readonly told?: boolean;
}

type Arguments = Readonly<Record<string, unknown>>;

/** All that an agent takes while its guest is frozen. */
const WHILE_FROZEN = [
  'guest-fsfreeze-thaw',
  'guest-fsfreeze-status',
  'guest-info',
  'guest-ping',
  'guest-sync',
  'guest-sync-delimited',
];
const FIRST_PID = 138;

/** A small Linux: a name, and the programs that give it one. `hostnamectl` is not among them. */
export function newGuest(): Guest {
  const guest: Guest = {
    hostName: '(none)',
    frozen: false,
    forbidden: [],
    files: new Map(),
    processes: new Map(),
    programs: new Map(),
  };
  guest.programs.set('uname', () => ended(`${guest.hostName}\n`));
  guest.programs.set('hostname', ([name = '']) => {
    guest.hostName = name;
    return ended('');
  });
  guest.programs.set('tee', ([path = ''], input) => {
    guest.files.set(path, input);
    return ended(input);
  });
  return guest;
}

/** The guest after a boot: what is on its disk is there. */
export function rebooted(guest: Guest): void {
  guest.processes.clear();
  guest.frozen = false;
  guest.hostName = guest.files.get('/etc/hostname')?.trim() ?? '(none)';
}

function ended(stdout: string): Omit<Ended, 'told'> {
  return { code: 0, stdout, stderr: '' };
}

const COMMANDS: Readonly<Record<string, (guest: Guest, told: Arguments) => unknown>> = {
  'guest-ping': () => ({}),
  'guest-info': (guest) => ({
    version: '7.2.22',
    supported_commands: Object.keys(COMMANDS).map((name) => ({
      enabled: refusal(guest, name) === undefined,
      name,
      'success-response': true,
    })),
  }),
  'guest-get-host-name': ({ hostName }) => ({ 'host-name': hostName }),
  'guest-exec': exec,
  'guest-exec-status': execStatus,
  'guest-fsfreeze-status': ({ frozen }) => (frozen ? 'frozen' : 'thawed'),
  'guest-fsfreeze-freeze': (guest) => {
    guest.frozen = true;
    return 1;
  },
  'guest-fsfreeze-thaw': (guest) => {
    const thawed = guest.frozen ? 1 : 0;
    guest.frozen = false;
    return thawed;
  },
};

/** What the agent of a running domain answers to a command, as JSON. */
export function agentCommand(domain: Domain, command: string): string {
  if (domain.run === undefined) throw wrongState('domain', 'domain is not running');
  if (!domain.run.definition.rest.includes('org.qemu.guest_agent.0'))
    throw new LibvirtFailure(
      CODES.ARGUMENT_UNSUPPORTED,
      'qemu',
      'argument unsupported: QEMU guest agent is not configured',
    );
  requireAgent(domain);
  const { execute, arguments: told = {} } = parsed(command);
  return JSON.stringify({ return: carryOut(domain.guest, execute, told) });
}

/** Fails where the guest has no agent that listens. */
export function requireAgent({ hasAgent }: Domain): void {
  if (hasAgent) return;
  const message = 'Guest agent is not responding: QEMU guest agent is not connected';
  throw new LibvirtFailure(CODES.AGENT_UNRESPONSIVE, 'qemu', message);
}

/** What libvirt does around a quiesced snapshot: the guest is thawed again whatever becomes of it. */
export function whileFrozen({ guest }: Domain, work: () => void): void {
  carryOut(guest, 'guest-fsfreeze-freeze', {});
  try {
    work();
  } finally {
    carryOut(guest, 'guest-fsfreeze-thaw', {});
  }
}

function carryOut(guest: Guest, name: string, told: Arguments): unknown {
  const refused = refusal(guest, name);
  if (refused !== undefined) throw agentError(name, refused);
  return COMMANDS[name]?.(guest, told);
}

function refusal({ frozen, forbidden }: Guest, name: string): string | undefined {
  if (COMMANDS[name] === undefined) return `The command ${name} has not been found`;
  if (forbidden.includes(name)) return `Command ${name} has been disabled`;
  if (frozen && !WHILE_FROZEN.includes(name))
    return `Command ${name} has been disabled: the agent is in frozen state`;
  return undefined;
}

function exec({ programs, processes }: Guest, told: Arguments): { pid: number } {
  const { path, arg = [], 'input-data': input = '' } = told;
  const program = programs.get(String(path));
  if (program === undefined) {
    const what = `Failed to execute child process “${String(path)}” (No such file or directory)`;
    throw agentError('guest-exec', `Guest agent command failed, error was '${what}'`);
  }
  const args = Array.isArray(arg) ? arg.map(String) : [];
  const pid = FIRST_PID + processes.size;
  processes.set(pid, program(args, Buffer.from(String(input), 'base64').toString()));
  return { pid };
}

function execStatus({ processes }: Guest, { pid }: Arguments): unknown {
  const found = typeof pid === 'number' ? processes.get(pid) : undefined;
  if (found === undefined) throw agentError('guest-exec-status', "Invalid parameter 'pid'");
  if (found.told !== true) {
    processes.set(Number(pid), { ...found, told: true });
    return { exited: false };
  }
  const data = (name: string, text: string) =>
    text === '' ? {} : { [name]: Buffer.from(text).toString('base64') };
  return {
    exitcode: found.code,
    ...data('out-data', found.stdout),
    ...data('err-data', found.stderr),
    exited: true,
  };
}

function agentError(name: string, what: string): LibvirtFailure {
  return internalError('qemu', `unable to execute QEMU agent command '${name}': ${what}`);
}

function parsed(command: string): { readonly execute: string; readonly arguments?: Arguments } {
  const value: unknown = JSON.parse(command);
  if (typeof value !== 'object' || value === null || !('execute' in value))
    throw internalError('qemu', 'missing execute key in reply');
  const told = 'arguments' in value && typeof value.arguments === 'object' ? value.arguments : {};
  return { execute: String(value.execute), arguments: { ...told } };
}
