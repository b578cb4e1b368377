import { type Asked, WaitCutShort } from '../../core/asked.ts';
import { agentIsConnected } from '../../core/domain-definition.ts';
import type { DepartStep, RemoveStep, RestartStep, RevertStep, StopStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import type { DomainState } from '../../libvirt/domains.ts';
import { CallTimeoutError, isLibvirtError, LibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';

/** A guest that is still booting does not hear the first request. */
const ASK_EVERY_MS = 10_000;
/** libvirt tells when the guest is off; should that get lost, it is looked at now and then. */
const LOOK_EVERY_MS = 5_000;
/** libvirt gives the agent 5 s to say that it is there, and then waits for the guest to act. */
const AGENT_TIMEOUT_MS = 15_000;
/** It may be paused for a moment, by a snapshot or a save. */
const DEAF_GRACE_MS = 5_000;
/** States of a guest that does not run, and so cannot shut down: libvirt refuses to ask it. */
const DEAF: Readonly<Partial<Record<DomainState, string>>> = {
  paused: 'paused, by hand or by a full disk (virsh resume lets it go on)',
  pmsuspended: 'suspended to memory (virsh dompmwakeup wakes it up)',
  crashed: 'crashed and kept so',
};

export type EndingStep = StopStep | RemoveStep | RestartStep | RevertStep | DepartStep;

/**
 * Asks the guest to shut down, again and again, until it is off; then, only if VM or config allow it, pulls the plug. By
 * its agent where that is there, else, and every other time, by the power button.
 */
export async function shutDown(context: StepContext, step: EndingStep, domain: DomainRef): Promise<void> {
  const { client, events, superseded } = context;
  const watch = events.watch(step.uuid);
  superseded.addEventListener('abort', watch.wake);
  let asked = askedBefore(step, domain);
  const deadline = asked.firstMs + context.shutdownTimeoutMs;
  let deafSince = Number.POSITIVE_INFINITY;
  try {
    for (;;) {
      const { state } = await client.domains.state(domain);
      if (state === 'shutoff') return;
      const now = performance.now();
      deafSince = state in DEAF ? Math.min(deafSince, now) : Number.POSITIVE_INFINITY;
      const limit = Math.min(deadline, deafSince + DEAF_GRACE_MS);
      if (now >= limit) return await atItsLimit(context, step, { domain, state });
      if (now >= asked.lastMs + ASK_EVERY_MS && !(state in DEAF)) {
        await ask(context, domain, asked.times);
        asked = { ...asked, lastMs: now, times: asked.times + 1 };
      }
      if (superseded.aborted) throw new WaitCutShort(asked);
      await watch.changed(waitMs({ now, limit, askAt: asked.lastMs + ASK_EVERY_MS }));
    }
  } finally {
    superseded.removeEventListener('abort', watch.wake);
    watch.close();
  }
}

/** Goes on where a pass that was cut short stopped: with its deadline, and without asking again at once. */
function askedBefore({ asked }: EndingStep, { id: run }: DomainRef): Asked {
  if (asked?.run === run) return asked;
  return { run, firstMs: performance.now(), lastMs: Number.NEGATIVE_INFINITY, times: 0 };
}

function waitMs({ now, limit, askAt }: Readonly<Record<'now' | 'limit' | 'askAt', number>>): number {
  return Math.max(1, Math.min(LOOK_EVERY_MS, limit - now, askAt > now ? askAt - now : Infinity));
}

async function ask(context: StepContext, domain: DomainRef, earlier: number): Promise<void> {
  const { client, progress } = context;
  progress('waiting for the guest to shut down');
  // An agent that answers may still not get the guest down.
  if (earlier % 2 === 0 && (await askAgent(context, domain))) return;
  try {
    await client.domains.shutdown(domain, { mode: 'acpi' });
  } catch (error) {
    // It went off, or was paused, between the look and the call.
    if (!isLibvirtError(error, 'OPERATION_INVALID')) throw error;
  }
}

/** True when the agent has taken it. */
async function askAgent({ client }: StepContext, domain: DomainRef): Promise<boolean> {
  try {
    if (!agentIsConnected(await client.domains.xml(domain))) return false;
    await client.domains.shutdown(domain, { mode: 'agent', timeoutMs: AGENT_TIMEOUT_MS });
    return true;
  } catch (error) {
    // An agent that hangs, or cannot do it: there is still the power button.
    if (error instanceof LibvirtError || error instanceof CallTimeoutError) return false;
    throw error;
  }
}

interface StillOn {
  readonly domain: DomainRef;
  readonly state: DomainState;
}

async function atItsLimit(context: StepContext, step: EndingStep, { domain, state }: StillOn): Promise<void> {
  if ((step.force ?? context.force) === 'allowed') return pullThePlug(context, step, domain);
  const vm = `${step.vm} on ${step.host}`;
  const orForce = `set force: allowed, in its manifest or in operator.yaml, to pull the plug`;
  const deaf = DEAF[state];
  if (deaf !== undefined) {
    throw new OperatorError('E_GUEST_DEAF', `${vm} is ${deaf}, and cannot shut down. Help it, or ${orForce}`);
  }
  throw new OperatorError(
    'E_TIMEOUT',
    `${vm} did not shut down within ${context.shutdownTimeoutMs / 1000} s. ` +
      `It runs on, as force is never. Shut it down inside the guest, or ${orForce}`,
  );
}

async function pullThePlug(
  { client, progress }: StepContext,
  step: EndingStep,
  domain: DomainRef,
): Promise<void> {
  progress('pulling the plug');
  try {
    await client.domains.destroy(domain);
  } catch (error) {
    // It went off just before.
    if (!isLibvirtError(error, 'OPERATION_INVALID')) throw error;
  }
  if ((await client.domains.state(domain)).state === 'shutoff') return;
  throw new OperatorError('E_POSTCONDITION', `${step.vm} on ${step.host} had its plug pulled and still runs`);
}
