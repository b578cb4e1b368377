import type { MovedVolume } from '../../core/step.ts';
import { renderRawVolume, renderVolume } from '../../core/volume-xml.ts';
import { parseXml, textAt } from '../../core/xml.ts';
import { OperatorError } from '../../errors.ts';
import { refreshPool } from '../refresh-pool.ts';
import type { StepContext } from './context.ts';
import { baseOf, requireVolume } from './moved-disks.ts';
import { describeVolume, openPool } from './volumes.ts';

/** Makes an empty volume of the same format and size, over the same base image, for QEMU to fill. */
export async function makeEmptyTwin(
  source: StepContext,
  target: StepContext,
  volume: MovedVolume,
): Promise<void> {
  const { from, to } = volume;
  // A disk that was made larger while it is in use shows its size only then.
  await refreshPool(source.client, (await openPool(source, from.pool)).ref);
  const original = await requireVolume(source, to.name, from);
  const { format } = await describeVolume(source, original);
  const capacity = Number(textAt(parseXml(await source.client.volumes.xml(original)), 'capacity'));
  const { ref } = await openPool(target, to.pool);
  await target.client.volumes.create(ref, await twinXml(source, target, { volume, format, capacity }));
}

async function twinXml(
  source: StepContext,
  target: StepContext,
  twin: { readonly volume: MovedVolume; readonly format: string; readonly capacity: number },
): Promise<string> {
  const { volume, format, capacity } = twin;
  const { name } = volume.to;
  if (format === 'raw') return renderRawVolume(name, capacity);
  if (format !== 'qcow2')
    throw new OperatorError('E_MOVE', `${name} is of format ${format}: only qcow2 and raw move live`);
  const path = await baseOf(source, target, volume);
  if (path === undefined) return renderVolume(name, capacity);
  const base = await describeVolume(target, await target.client.volumes.byPath(path));
  return renderVolume(name, capacity, { path, format: base.format });
}
