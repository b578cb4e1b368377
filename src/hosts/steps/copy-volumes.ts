import { WaitCutShort } from '../../core/asked.ts';
import type { Mark, MarkedVolume } from '../../core/mark.ts';
import type { MigrateStep, MovedVolume, ReceiveStep } from '../../core/step.ts';
import { createRateLimit } from '../copy/rate-limit.ts';
import type { StepContext } from './context.ts';
import { copyMeter } from './copy-meter.ts';
import { baseOf } from './moved-disks.ts';
import { writeMark } from './owned.ts';

/** A copy is given up for a newer commit; what is copied by then counts. */
export async function untilSuperseded({ superseded }: StepContext, copy: () => Promise<void>): Promise<void> {
  if (superseded.aborted) throw new WaitCutShort();
  try {
    await copy();
  } catch (error) {
    throw superseded.aborted ? new WaitCutShort() : error;
  }
}

interface Copying {
  readonly step: ReceiveStep | MigrateStep;
  /** Those to be copied. */
  readonly volumes: readonly MovedVolume[];
  readonly claimed: Mark;
}

/** Copies one volume after the other, each ticked off in the claim. */
export async function copyAll(
  context: StepContext,
  source: StepContext,
  { step, volumes: wanted, claimed }: Copying,
): Promise<void> {
  const { limits } = step;
  let { volumes } = claimed;
  const isWanted = (volume: MarkedVolume) =>
    wanted.some(({ to }) => to.pool === volume.pool && to.name === volume.name);
  const open = volumes.filter((volume) => !volume.made && isWanted(volume));
  if (open.length === 0) return;
  context.progress(`waiting for its turn to be copied from ${source.host}`);
  await context.copyInTurn([source.host, context.host], limits.maxPerHost, async () => {
    for (const volume of open) {
      const way = step.volumes.find(({ to }) => to.pool === volume.pool && to.name === volume.name);
      if (way === undefined) throw new Error(`${volume.name} is claimed, and not one that moves`);
      await copyOne(context, source, { step, way });
      volumes = volumes.map((other) => (other === volume ? { ...other, made: true } : other));
      await writeMark(context, step, { ...claimed, volumes });
    }
  });
}

async function copyOne(
  context: StepContext,
  source: StepContext,
  { step, way }: { readonly step: ReceiveStep | MigrateStep; readonly way: MovedVolume },
): Promise<void> {
  const { bandwidthMiBs } = step.limits;
  const backingFile = await baseOf(source, context, way);
  await context.copyVolume(
    { host: source.host, client: source.client, ...way.from },
    { host: context.host, client: context.client, pool: way.to.pool, name: way.to.name },
    {
      onProgress: copyMeter(way.to.target, context.progress),
      signal: context.superseded,
      ...(backingFile !== undefined && { backingFile }),
      ...(bandwidthMiBs !== undefined && { limit: createRateLimit(bandwidthMiBs * 1024 ** 2) }),
    },
  );
}
