import type { DesiredState, Image } from './desired.ts';
import { imageKey, isBrought } from './images.ts';
import { type KnownHost, volumeKey } from './observed.ts';
import { hasBootDisk } from './source-vm.ts';
import { type CreateStep, type ImageStep, type PoolStep, type Step, stepId } from './step.ts';

/**
 * Adds what brings the images that creations need, before those: an image is brought to a host when a VM is to be made of
 * it there, unless it is there and was checked. Onto a file server it is brought by one host; the others check it after.
 */
export function withImages(
  steps: readonly Step[],
  desired: DesiredState,
  known: ReadonlyMap<string, KnownHost>,
): readonly Step[] {
  const pools = steps.filter((step) => step.kind === 'pool');
  const brought = new Map<string, ImageStep>();
  for (const step of steps) {
    if (step.kind !== 'create' || !needsImage(step, known.get(step.host))) continue;
    const { image } = step.spec.bootDisk;
    const next = imageStep(step.host, image, pools);
    if (brought.has(stepId(next))) continue;
    const first = [...brought.values()].find((other) => isSameStore(other, next, desired));
    brought.set(
      stepId(next),
      first === undefined ? next : { ...next, after: [...(next.after ?? []), stepId(first)] },
    );
  }
  if (brought.size === 0) return steps;
  const others = steps.filter((step) => step.kind !== 'pool');
  return [...pools, ...brought.values(), ...others.map((step) => afterImage(step, brought))];
}

/** An earlier try may have made the boot disk already. */
function needsImage({ spec, uuid }: CreateStep, host: KnownHost | undefined): boolean {
  const { image } = spec.bootDisk;
  const begun = host?.vms.find((vm) => vm.uuid === uuid);
  return isBrought(image) && !isChecked(image, host) && !(begun && hasBootDisk(spec, begun));
}

function isChecked({ pool, volume }: Image, host: KnownHost | undefined): boolean {
  return host?.volumes.get(volumeKey({ pool, name: volume }))?.verified === true;
}

function imageStep(host: string, image: Image, pools: readonly PoolStep[]): ImageStep {
  const first = pools.filter((step) => step.host === host && step.pool.name === image.pool).map(stepId);
  const { sourceVm, content } = image;
  const disk = sourceVm && `the disk of VM ${sourceVm.name} on ${sourceVm.host}`;
  const what = content === undefined ? disk : `${image.pool}/${image.volume}`;
  const reason = `VMs are made of it: ${what}`;
  return { kind: 'image', host, image, reason, ...(first.length > 0 && { after: first }) };
}

function afterImage(step: Step, brought: ReadonlyMap<string, ImageStep>): Step {
  if (step.kind !== 'create') return step;
  const id = `image ${step.host}/image ${(step satisfies CreateStep).spec.bootDisk.image.name}`;
  return brought.has(id) ? { ...step, after: [...(step.after ?? []), id] } : step;
}

/** Both hosts mount the same folder of the same file server for the pool. */
function isSameStore(a: ImageStep, b: ImageStep, { hosts }: DesiredState): boolean {
  if (imageKey(a.image) !== imageKey(b.image)) return false;
  const [one, other] = [a, b].map(
    ({ host, image }) => hosts.get(host)?.pools.find(({ name }) => name === image.pool)?.source,
  );
  return one !== undefined && one.host === other?.host && one.path === other.path;
}
