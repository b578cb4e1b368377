import { settledMark } from '../../core/applied.ts';
import { withDisksOf } from '../../core/snapshot.ts';
import type { AutostartStep, HostStep, MarkStep, VmStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { adopt } from './adopt.ts';
import { attach } from './attach.ts';
import type { StepContext } from './context.ts';
import { create } from './create.ts';
import { depart } from './depart.ts';
import { describe } from './describe.ts';
import { detach } from './detach.ts';
import { grow } from './grow.ts';
import { setHostname } from './hostname.ts';
import { bringImage } from './image.ts';
import { mergeSnapshot } from './merge.ts';
import { migrate } from './migrate.ts';
import { requireOwned, writeMark } from './owned.ts';
import { setUpPool } from './pool.ts';
import { restart, start, stop } from './power.ts';
import { purge } from './purge.ts';
import { abandon, recall } from './recall.ts';
import { receive } from './receive.ts';
import { reclaim } from './reclaim.ts';
import { remove, restore } from './remove.ts';
import { resize } from './resize.ts';
import { retire } from './retire.ts';
import { revertToSnapshot } from './revert.ts';
import { rewire } from './rewire.ts';
import { rewriteSeed } from './seed.ts';
import { takeSnapshot } from './snapshot.ts';
import { writeRequest } from './snapshot-parts.ts';

/**
 * Makes one change on the host, and has the mark say so where it is the last of its VM. Safe to repeat; throws where the
 * host does not show the result.
 */
export async function applyStep(context: StepContext, step: VmStep | HostStep): Promise<void> {
  await applyChange(context, step);
  if (!('vm' in step) || step.settles === undefined) return;
  const { mark } = await requireOwned(context, step, ['ready']);
  await writeMark(context, step, settledMark(mark, step.settles));
}

function applyChange(context: StepContext, step: VmStep | HostStep): Promise<void> {
  switch (step.kind) {
    case 'create':
      return create(context, step);
    case 'adopt':
      return adopt(context, step);
    case 'start':
      return start(context, step);
    case 'stop':
      return stop(context, step);
    case 'restart':
      return restart(context, step);
    case 'autostart':
      return setAutostart(context, step);
    case 'resize':
      return resize(context, step);
    case 'grow':
      return grow(context, step);
    case 'attach':
      return attach(context, step);
    case 'detach':
      return detach(context, step);
    case 'reclaim':
      return reclaim(context, step);
    case 'rewire':
      return rewire(context, step);
    case 'describe':
      return describe(context, step);
    case 'seed':
      return rewriteSeed(context, step);
    case 'hostname':
      return setHostname(context, step);
    case 'mark':
      return rewriteMark(context, step);
    case 'remove':
      return remove(context, step);
    case 'restore':
      return restore(context, step);
    case 'purge':
      return purge(context, step);
    case 'pool':
      return setUpPool(context, step);
    case 'image':
      return bringImage(context, step);
    case 'snapshot':
      return takeSnapshot(context, step);
    case 'merge':
      return mergeSnapshot(context, step);
    case 'revert':
      return revertToSnapshot(context, step);
    case 'request':
      return writeRequest(context, step);
    case 'depart':
      return depart(context, step);
    case 'receive':
      return receive(context, step);
    case 'migrate':
      return migrate(context, step);
    case 'retire':
      return retire(context, step);
    case 'abandon':
      return abandon(context, step);
    case 'recall':
      return recall(context, step);
  }
}

async function setAutostart(context: StepContext, step: AutostartStep): Promise<void> {
  const { domains } = context.client;
  const { domain } = await requireOwned(context, step, ['ready']);
  await domains.setAutostart(domain, step.enabled);
  if ((await domains.autostart(domain)) === step.enabled) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `${step.vm} on ${step.host}: autostart was set to ${step.enabled} and is not`,
  );
}

async function rewriteMark(context: StepContext, step: MarkStep): Promise<void> {
  const { mark } = await requireOwned(context, step, [step.mark.state]);
  await writeMark(context, step, withDisksOf(step.mark, mark));
}
