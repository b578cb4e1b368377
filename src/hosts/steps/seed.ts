import type { VolumeRef } from '../../core/mark.ts';
import { type DesiredSeed, SEED_BYTES, SEED_TARGET } from '../../core/seed.ts';
import type { SeedStep } from '../../core/step.ts';
import { renderRawVolume } from '../../core/volume-xml.ts';
import { OperatorError } from '../../errors.ts';
import type { StepContext, StoredVolume } from './context.ts';
import { requireOwned, writeMark } from './owned.ts';
import { findVolume, openPool } from './volumes.ts';

/** Writes the seed anew, where the VM has it; the VM may run. The mark comes last: it says what the seed says. */
export async function rewriteSeed(context: StepContext, step: SeedStep): Promise<void> {
  const image = await context.seedImage(step);
  const { mark } = await requireOwned(context, step, ['ready']);
  const ref = mark.volumes.find(({ target }) => target === SEED_TARGET);
  if (ref === undefined) {
    throw new OperatorError('E_NOT_OURS', `${step.vm} on ${step.host} has no seed by its mark`);
  }
  const volume = (await findVolume(context, ref)) ?? (await makeVolume(context, ref));
  await writeImage(context, volume, image);
  const { mark: latest } = await requireOwned(context, step, ['ready']);
  await writeMark(context, step, { ...latest, seed: step.fingerprint });
}

/** Makes the seed of a new VM. */
export async function fillSeed(context: StepContext, seed: DesiredSeed, image: Buffer): Promise<void> {
  context.progress('seed');
  await writeImage(context, await makeVolume(context, { pool: seed.pool, name: seed.volume }), image);
}

async function makeVolume(context: StepContext, { pool, name }: VolumeRef): Promise<StoredVolume> {
  const { ref } = await openPool(context, pool);
  return context.client.volumes.create(ref, renderRawVolume(name, SEED_BYTES));
}

async function writeImage({ client }: StepContext, volume: StoredVolume, image: Buffer): Promise<void> {
  const range = { volume, offsetBytes: 0, lengthBytes: image.length };
  await client.volumes.upload(range, [image]);
  const chunks: Buffer[] = [];
  for await (const chunk of client.volumes.download(range)) chunks.push(chunk);
  if (Buffer.concat(chunks).equals(image)) return;
  throw new OperatorError(
    'E_POSTCONDITION',
    `volume ${volume.name} in pool ${volume.pool} was written and holds something else`,
  );
}
