import type { RpcConnection } from './connection.ts';
import type { CallOptions } from './pending-calls.ts';
import type { DomainRef } from './protocol/procedure.ts';

/** VIR_DOMAIN_QEMU_AGENT_COMMAND_DEFAULT: libvirt gives the agent 5 s, and then says AGENT_UNRESPONSIVE. */
const DEFAULT_TIMEOUT = -1;

/** A program for the guest to run: its arguments reach it as they are, and no shell sees them. */
export interface GuestProgram {
  /** Looked for in the agent's PATH. */
  readonly path: string;
  readonly args: readonly string[];
  /** For its standard input. */
  readonly input?: Buffer;
}

/** How a program in a guest goes. */
export interface GuestProcess {
  readonly exited: boolean;
  /** Absent while it runs, and where a signal ended it. */
  readonly code?: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * What the agent inside a running guest can be told, in the protocol of QEMU's guest agent. libvirt marks a domain whose agent
 * is spoken to in this way as tainted (`custom-ga-command`), in its log. Rejects with AGENT_UNRESPONSIVE where there is none,
 * ARGUMENT_UNSUPPORTED where the domain has no channel for one, and INTERNAL_ERROR with what the agent says.
 */
export function agentCalls(rpc: RpcConnection) {
  async function command(
    domain: DomainRef,
    { execute, ...more }: { readonly execute: string; readonly arguments?: object },
    options?: CallOptions,
  ): Promise<unknown> {
    const args = { domain, command: JSON.stringify({ execute, ...more }), timeoutSeconds: DEFAULT_TIMEOUT };
    const { result = '' } = await rpc.call('domainAgentCommand', { ...args, flags: 0 }, options);
    return field(JSON.parse(result), 'return');
  }

  return {
    async hostName(domain: DomainRef, options?: CallOptions): Promise<string> {
      const answer = await command(domain, { execute: 'guest-get-host-name' }, options);
      return text(field(answer, 'host-name'));
    },

    /** Names of the commands that the agent takes now: what its configuration forbids is not among them. */
    async allowedCommands(domain: DomainRef, options?: CallOptions): Promise<ReadonlySet<string>> {
      const all = field(await command(domain, { execute: 'guest-info' }, options), 'supported_commands');
      if (!Array.isArray(all)) throw notUnderstood(all);
      return new Set(
        all.filter((one) => field(one, 'enabled') === true).map((one) => text(field(one, 'name'))),
      );
    },

    /** Begins a program; resolves with its process id. Rejects where the guest has no such program. */
    async run(
      domain: DomainRef,
      { path, args, input }: GuestProgram,
      options?: CallOptions,
    ): Promise<number> {
      const told = {
        path,
        arg: args,
        ...(input !== undefined && { 'input-data': input.toString('base64') }),
        'capture-output': true,
      };
      const pid = field(await command(domain, { execute: 'guest-exec', arguments: told }, options), 'pid');
      if (typeof pid !== 'number') throw notUnderstood(pid);
      return pid;
    },

    /** How a program goes. The agent forgets one that has ended once it has told so. */
    async process(domain: DomainRef, pid: number, options?: CallOptions): Promise<GuestProcess> {
      const told = { execute: 'guest-exec-status', arguments: { pid } };
      const answer = await command(domain, told, options);
      const code = field(answer, 'exitcode');
      const decoded = (name: string) => Buffer.from(text(field(answer, name) ?? ''), 'base64').toString();
      return {
        exited: field(answer, 'exited') === true,
        ...(typeof code === 'number' && { code }),
        stdout: decoded('out-data'),
        stderr: decoded('err-data'),
      };
    },

    /** Whether the file systems of the guest are frozen: everything that writes to them hangs. */
    async isFrozen(domain: DomainRef, options?: CallOptions): Promise<boolean> {
      return (await command(domain, { execute: 'guest-fsfreeze-status' }, options)) === 'frozen';
    },

    /** Freezes the file systems of the guest; resolves with how many. Whoever does that has to thaw them. */
    async freeze(domain: DomainRef, options?: CallOptions): Promise<number> {
      return Number(await command(domain, { execute: 'guest-fsfreeze-freeze' }, options));
    },

    /** Lets the file systems of the guest go on, if they are frozen. */
    async thaw(domain: DomainRef, options?: CallOptions): Promise<void> {
      await command(domain, { execute: 'guest-fsfreeze-thaw' }, options);
    },
  };
}

export type Agent = ReturnType<typeof agentCalls>;

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) throw notUnderstood(value);
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw notUnderstood(value);
  return value;
}

/** A guest is free to say anything. */
function notUnderstood(value: unknown): Error {
  return new Error(
    `the guest agent gave an answer that is not understood: ${JSON.stringify(value)?.slice(0, 200)}`,
  );
}
