import { poolDifference } from '../../core/plan-pools.ts';
import { renderPool } from '../../core/pool-xml.ts';
import type { PoolStep } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { isLibvirtError } from '../../libvirt/errors.ts';
import { describePool } from '../observe-pools.ts';
import type { PoolRef, StepContext } from './context.ts';

/**
 * Defines, builds and starts the pool and sets its autostart, as far as that is not so yet. The folder is only made while
 * autostart is not set, which comes last: the folder of a pool that was complete once is there, or its disk is not
 * mounted, and then nothing may be written below the mount point.
 */
export async function setUpPool(context: StepContext, step: PoolStep): Promise<void> {
  const { pools } = context.client;
  const { pool } = step;
  const ref = await findOrDefine(context, step);
  const difference = poolDifference(pool, describePool(await pools.xml(ref, { inactive: true })));
  if (difference !== undefined)
    throw new OperatorError('E_NOT_OURS', `storage pool ${pool.name} on ${step.host} ${difference}`);
  if (!(await pools.isActive(ref))) await activate(context, ref);
  if ((await pools.autostart(ref)) !== pool.autostart) await pools.setAutostart(ref, pool.autostart);
  if ((await pools.isActive(ref)) && (await pools.autostart(ref)) === pool.autostart) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `storage pool ${pool.name} on ${step.host} was started and is not active`,
  );
}

async function findOrDefine({ client, progress }: StepContext, { pool }: PoolStep): Promise<PoolRef> {
  try {
    return await client.pools.byName(pool.name);
  } catch (error) {
    if (!isLibvirtError(error, 'NO_STORAGE_POOL')) throw error;
  }
  progress('defining');
  return client.pools.define(renderPool(pool));
}

async function activate({ client: { pools }, progress }: StepContext, ref: PoolRef): Promise<void> {
  if (!(await pools.autostart(ref))) {
    progress('building');
    await pools.build(ref);
  }
  progress('starting');
  await pools.start(ref);
}
