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
    const image = imageToBring(step, known.get(step.host));
    if (image === undefined) continue;
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

/** A VM that moves has to find on its new host what it is an overlay of. */
function imageToBring(step: Step, host: KnownHost | undefined): Image | undefined {
  if (step.kind === 'create') return needsImage(step, host) ? step.spec.bootDisk.image : undefined;
  const image = step.kind === 'receive' || step.kind === 'migrate' ? step.image : undefined;
  return image === undefined || image.content === undefined || isChecked(image, host) ? undefined : image;
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

/** Nothing is made before its image is there, nor sent off to a host that has none. */
function afterImage(step: Step, brought: ReadonlyMap<string, ImageStep>): Step {
  const need = imageNeeded(step);
  if (need === undefined) return step;
  const id = `image ${need.host}/image ${need.image.name}`;
  return brought.has(id) ? { ...step, after: [...(step.after ?? []), id] } : step;
}

function imageNeeded(step: Step): { readonly host: string; readonly image: Image } | undefined {
  if (step.kind === 'create') return { host: step.host, image: step.spec.bootDisk.image };
  if (step.kind !== 'receive' && step.kind !== 'depart' && step.kind !== 'migrate') return undefined;
  const host = step.kind === 'depart' ? step.to.host : step.host;
  return step.image && { host, image: step.image };
}

/** Both hosts mount the same folder of the same file server for the pool. */
function isSameStore(a: ImageStep, b: ImageStep, { hosts }: DesiredState): boolean {
  if (imageKey(a.image) !== imageKey(b.image)) return false;
  const [one, other] = [a, b].map(
    ({ host, image }) => hosts.get(host)?.pools.find(({ name }) => name === image.pool)?.source,
  );
  return one !== undefined && one.host === other?.host && one.path === other.path;
}
