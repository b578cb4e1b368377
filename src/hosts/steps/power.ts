import { setTimeout as delay } from 'node:timers/promises';
import type { StartStep, StopStep, VmStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import type { DomainRef, StepContext } from './context.ts';
import { requireOwned } from './owned.ts';

const LOOK_EVERY_MS = 250;
/** A guest that is still booting does not hear the first request. */
const ASK_EVERY_MS = 10_000;

/** Starts the VM; one that runs already is fine. */
export async function start(context: StepContext, step: StartStep): Promise<void> {
  const { domains } = context.client;
  const { domain } = await requireOwned(context, step, ['ready']);
  if ((await domains.state(domain)).state !== 'running') {
    context.progress('starting');
    await domains.start(domain);
  }
  const { state } = await domains.state(domain);
  if (state === 'running') return;
  throw new OperatorError('E_POSTCONDITION', `${step.vm} on ${step.host} was started and is ${state}`);
}

export async function stop(context: StepContext, step: StopStep): Promise<void> {
  const { domain } = await requireOwned(context, step, ['ready']);
  await shutDown(context, step, domain);
}

/** Asks the guest to shut down, again and again, until it is off; then, only if the config allows it, pulls the plug. */
export async function shutDown(context: StepContext, step: VmStep, domain: DomainRef): Promise<void> {
  const { client, shutdownTimeoutMs, force } = context;
  const started = performance.now();
  let asked = Number.NEGATIVE_INFINITY;
  while (!(await isOff(context, domain))) {
    const now = performance.now();
    if (now - started > shutdownTimeoutMs) {
      if (force === 'allowed') return pullThePlug(context, step, domain);
      throw new OperatorError(
        'E_TIMEOUT',
        `${step.vm} on ${step.host} did not shut down within ${shutdownTimeoutMs / 1000} s. ` +
          'Shut it down inside the guest, or set force: allowed in operator.yaml to pull the plug',
      );
    }
    if (now - asked >= ASK_EVERY_MS) {
      asked = now;
      context.progress('waiting for the guest to shut down');
      await ignoreIfOff(client.domains.shutdown(domain));
    }
    await delay(LOOK_EVERY_MS);
  }
}

async function pullThePlug(context: StepContext, step: VmStep, domain: DomainRef): Promise<void> {
  context.progress('pulling the plug');
  await ignoreIfOff(context.client.domains.destroy(domain));
  if (await isOff(context, domain)) return;
  throw new OperatorError('E_POSTCONDITION', `${step.vm} on ${step.host} had its plug pulled and still runs`);
}

async function isOff({ client }: StepContext, domain: DomainRef): Promise<boolean> {
  return (await client.domains.state(domain)).state === 'shutoff';
}

/** It went off between the look and the call. */
async function ignoreIfOff(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isLibvirtError(error, 'OPERATION_INVALID')) throw error;
  }
}
