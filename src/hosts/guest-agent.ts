import { setTimeout as delay } from 'node:timers/promises';
import { WaitCutShort } from '../core/asked.ts';
import { OperatorError } from '../errors.ts';
import { CallTimeoutError, isLibvirtError } from '../libvirt/errors.ts';
import type { Libvirt } from '../libvirt/libvirt.ts';
import type { DomainRef } from './steps/context.ts';

const TRY_EVERY_MS = 1000;
const LOOK_EVERY_MS = 200;
/** For a program that takes no longer than setting a name does. */
const PROGRAM_TIMEOUT_MS = 30_000;
/** As a shell has it for a program that is not there. */
const NOT_FOUND = 127;

/** The agent of one guest. */
export interface GuestAgent {
  readonly agent: Libvirt['agent'];
  readonly domain: DomainRef;
  /** `web on t01` */
  readonly who: string;
  /** Aborted: nothing waits any longer. */
  readonly superseded: AbortSignal;
}

/** The host name of a guest, as soon as its agent answers; undefined where the agent does not tell it. */
export async function nameFromAgent(guest: GuestAgent, timeoutMs: number): Promise<string | undefined> {
  const { agent, domain, who, superseded } = guest;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await agent.hostName(domain);
    } catch (error) {
      // It answers, and does not know the command, or is not to take it.
      if (isLibvirtError(error, 'INTERNAL_ERROR', 'AGENT_COMMAND_FAILED')) return undefined;
      if (isLibvirtError(error, 'ARGUMENT_UNSUPPORTED'))
        throw new OperatorError(
          'E_GUEST',
          `${who} has no channel for a guest agent (virtio, org.qemu.guest_agent.0) in its definition`,
        );
      if (!isSilence(error)) throw error;
    }
    if (superseded.aborted) throw new WaitCutShort();
    if (performance.now() >= deadline)
      throw new OperatorError(
        'E_GUEST',
        `${who}: no guest agent answers within ${timeoutMs / 1000} s. Install qemu-guest-agent in it and have it started, ` +
          'or set hostnameVia to what else gives it its name',
      );
    await delay(TRY_EVERY_MS);
  }
}

/** A guest that boots has no agent yet; one under load may be slow. */
function isSilence(error: unknown): boolean {
  const codes = [
    'AGENT_UNRESPONSIVE',
    'AGENT_UNSYNCED',
    'AGENT_COMMAND_TIMEOUT',
    'OPERATION_TIMEOUT',
  ] as const;
  return isLibvirtError(error, ...codes) || error instanceof CallTimeoutError;
}

/** Throws where the agent is not to run programs: its distribution or its administrator has forbidden that. */
export async function requireExec({ agent, domain, who }: GuestAgent): Promise<void> {
  const allowed = await agent.allowedCommands(domain);
  const missing = ['guest-exec', 'guest-exec-status'].filter((name) => !allowed.has(name));
  if (missing.length === 0) return;
  throw new OperatorError(
    'E_GUEST',
    `${who}: its guest agent may not run programs: it refuses ${missing.join(' and ')}. Allow that in the guest ` +
      '(BLOCK_RPCS, FILTER_RPC_ARGS or BLACKLIST_RPC in /etc/sysconfig/qemu-ga, block-rpcs in /etc/qemu/qemu-ga.conf; restart the agent), ' +
      'or set hostnameVia to what else gives it its name',
  );
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program in the guest to its end, as root; no shell sees its arguments. A program that is not there ends with 127. */
export async function execInGuest(
  { agent, domain, who }: GuestAgent,
  [path = '', ...args]: readonly string[],
  { input }: { readonly input?: string } = {},
): Promise<Ended> {
  let pid: number;
  try {
    pid = await agent.run(domain, { path, args, ...(input !== undefined && { input: Buffer.from(input) }) });
  } catch (error) {
    if (!isLibvirtError(error, 'INTERNAL_ERROR', 'AGENT_COMMAND_FAILED')) throw error;
    return { code: NOT_FOUND, stdout: '', stderr: error.message };
  }
  const deadline = performance.now() + PROGRAM_TIMEOUT_MS;
  while (performance.now() < deadline) {
    const { exited, code = null, stdout, stderr } = await agent.process(domain, pid);
    if (exited) return { code, stdout, stderr };
    await delay(LOOK_EVERY_MS);
  }
  throw new OperatorError('E_GUEST', `${who}: ${path} does not end in the guest (process ${pid})`);
}
