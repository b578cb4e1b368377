import { agentIsConnected } from '../../core/domain-definition.ts';
import type { Snapshot } from '../../core/snapshot.ts';
import type { SnapshotStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { CallTimeoutError, isLibvirtError, LibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';

/** How libvirt says that the agent has not done its part, or could not: nothing was taken. */
const AGENT_FAILED = [
  'AGENT_UNRESPONSIVE',
  'AGENT_COMMAND_FAILED',
  'AGENT_COMMAND_TIMEOUT',
  'AGENT_UNSYNCED',
  'INTERNAL_ERROR',
  'OPERATION_UNSUPPORTED',
] as const;
/** libvirt has thawed by itself; this is for where it could not. */
const THAW_TRIES = 3;

/** A guest that runs, or may run. */
interface Guest extends Pick<SnapshotStep, 'vm' | 'host'> {
  readonly domain: DomainRef;
}
type Take = (options: { readonly quiesce: boolean }) => Promise<void>;

/**
 * Takes a snapshot of a running VM with the file systems of its guest at rest, where its agent can do that; else as after a
 * power cut, and says so. libvirt freezes and thaws in one call, which it ends by itself when we are cut off.
 */
export async function takeQuiesced(
  context: StepContext,
  guest: Guest & { readonly live: string },
  take: Take,
): Promise<NonNullable<Snapshot['consistency']>> {
  if (!agentIsConnected(guest.live)) return takeUnquiesced(context, take, 'no guest agent answers');
  // Somebody else's doing, and theirs to undo: it is at rest already.
  if ((await isFrozen(context, guest)) === true) {
    await take({ quiesce: false });
    return 'quiesced';
  }
  const refused = await quiesced(context, guest, take);
  if (refused === undefined) return 'quiesced';
  return takeUnquiesced(context, take, `its guest agent did not (${refused})`);
}

async function takeUnquiesced({ remark }: StepContext, take: Take, why: string): Promise<'crash'> {
  await take({ quiesce: false });
  remark(`as after a power cut, its file systems were not brought to rest: ${why}`);
  return 'crash';
}

/** What the agent has refused; undefined: it is taken. Whichever it is, the guest goes on. */
async function quiesced(context: StepContext, guest: Guest, take: Take): Promise<string | undefined> {
  try {
    await take({ quiesce: true });
    return undefined;
  } catch (error) {
    if (!isLibvirtError(error, ...AGENT_FAILED)) throw error;
    return error.message;
  } finally {
    await thaw(context, guest);
  }
}

/** Undoes what an earlier try may have left behind, where libvirtd itself ended in the middle of it. */
export async function thawLeftOver(
  context: StepContext,
  step: SnapshotStep,
  domain: DomainRef,
): Promise<void> {
  if (agentIsConnected(await context.client.domains.xml(domain))) await thaw(context, { ...step, domain });
}

/** A guest must not stay frozen: throws where it does. */
async function thaw(context: StepContext, guest: Guest): Promise<void> {
  for (let attempt = 0; attempt < THAW_TRIES; attempt++) {
    if ((await isFrozen(context, guest)) !== true) return;
    context.progress('letting the file systems of its guest go on');
    await context.client.agent.thaw(guest.domain).catch(ignoreAgent);
  }
  if ((await isFrozen(context, guest)) !== true) return;
  const { vm, host } = guest;
  throw new OperatorError(
    'E_SNAPSHOT',
    `${vm} on ${host}: the file systems of its guest are frozen, and its agent does not let them go on: \`virsh domfsthaw ${vm}\``,
  );
}

/** Undefined where the agent does not say. */
async function isFrozen({ client }: StepContext, { domain }: Guest): Promise<boolean | undefined> {
  try {
    return await client.agent.isFrozen(domain);
  } catch (error) {
    ignoreAgent(error);
    return undefined;
  }
}

/** An agent that hangs or knows no such command. A connection that is lost is another matter. */
function ignoreAgent(error: unknown): void {
  if (!(error instanceof LibvirtError) && !(error instanceof CallTimeoutError)) throw error;
}
