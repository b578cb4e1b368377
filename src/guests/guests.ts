import { setTimeout as delay } from 'node:timers/promises';
import { WaitCutShort } from '../core/asked.ts';
import type { HostnameStep } from '../core/step.ts';
import { errorMessage, OperatorError } from '../errors.ts';
import { execInGuest, type GuestAgent, nameFromAgent, requireExec } from '../hosts/guest-agent.ts';
import { connectSsh, type SshConnection } from '../hosts/ssh.ts';
import type { SshTarget } from '../hosts/ssh-target.ts';
import type { Guests } from '../hosts/steps/context.ts';
import { type GuestKeys, guestKeysIn } from './guest-keys.ts';
import { nameGuest } from './name-guest.ts';

export interface GuestsOptions {
  readonly user: string;
  readonly key?: string | undefined;
  /** File that pins the keys of all guests; absent: each key is recorded once, see `GuestKeys`. */
  readonly knownHosts?: string | undefined;
  readonly throughHost: boolean;
  /** How long one try waits for a guest to answer. */
  readonly timeoutMs: number;
  readonly port?: number;
  /** Folder of the recorded keys. */
  readonly keysDir: string;
  /** The KVM hosts, for those who go through them. */
  readonly hosts: ReadonlyMap<string, SshTarget>;
}

type Guest = Pick<HostnameStep, 'vm' | 'host' | 'address' | 'hostname' | 'via'>;

const TRY_EVERY_MS = 1000;
const CONNECT_TIMEOUT_MS = 10_000;
/** A guest that boots refuses connections at first, and logins until its users are there. */
const BOOTING = ['E_SSH_UNREACHABLE', 'E_SSH_AUTH', 'E_TIMEOUT'];

/** Guests, over SSH or by their agents. */
export function createGuests(options: GuestsOptions): Guests {
  const keys = guestKeysIn(options.keysDir);
  return {
    expectNew: (vm) => keys.expectNew(vm),
    async setHostname(guest, agent) {
      if (guest.via === 'agent') return nameByAgent(guest, agent, options.timeoutMs);
      const target = await targetOf(guest, keys, options);
      const ssh = await connectWhenUp(guest, target, { ...options, superseded: agent.superseded });
      try {
        await nameGuest(ssh, guest.hostname);
      } finally {
        ssh.close();
      }
    },
  };
}

/** Asks before it runs anything: a guest that has its name need not let its agent run programs. */
async function nameByAgent({ vm, hostname }: Guest, agent: GuestAgent, timeoutMs: number): Promise<void> {
  if ((await nameFromAgent(agent, timeoutMs)) === hostname) return;
  await requireExec(agent);
  const target = { name: vm, user: 'root' };
  await nameGuest({ target, exec: (argv, options) => execInGuest(agent, argv, options) }, hostname);
}

async function targetOf(
  { vm, host, address }: Guest,
  keys: GuestKeys,
  options: GuestsOptions,
): Promise<SshTarget> {
  const { user, key, knownHosts, throughHost, port = 22, hosts } = options;
  if (key === undefined) {
    throw new OperatorError('E_GUEST', `${vm}: hostnameVia is ssh, and operator.yaml has no guests.key`);
  }
  if (knownHosts === undefined && !(await keys.isKnown(vm))) {
    throw new OperatorError(
      'E_SSH_HOST_KEY',
      `guest ${vm}: nothing is known of its host key, as this operator has not created it. Compare the key with that of the guest, ` +
        `and write it into ${keys.fileOf(vm)}: ssh-keyscan ${address}; or name a file with all of them in guests.knownHosts`,
    );
  }
  return {
    name: vm,
    address,
    port,
    user,
    key,
    knownHosts: knownHosts ?? keys.fileOf(vm),
    trustFirst: knownHosts === undefined,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    keepaliveMs: 5000,
    ...(throughHost && { jump: hosts.get(host) }),
  };
}

interface Patience {
  readonly timeoutMs: number;
  readonly superseded: AbortSignal;
}

async function connectWhenUp(
  guest: Guest,
  target: SshTarget,
  { timeoutMs, superseded }: Patience,
): Promise<SshConnection> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const either = AbortSignal.any([deadline, superseded]);
  let last: unknown;
  while (!deadline.aborted) {
    try {
      return await connectSsh(target, either);
    } catch (error) {
      if (superseded.aborted) throw new WaitCutShort();
      if (error instanceof OperatorError && !BOOTING.includes(error.code)) throw error;
      if (error instanceof OperatorError) last = error;
      else if (error !== deadline.reason) throw error;
    }
    await delay(TRY_EVERY_MS);
  }
  const why = last === undefined ? 'no answer' : errorMessage(last);
  const text = `${guest.vm} cannot be logged in to at ${guest.address} within ${timeoutMs / 1000} s: ${why}`;
  throw new OperatorError('E_GUEST', text, { cause: last });
}
