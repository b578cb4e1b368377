import type { HostPolicy } from './desired.ts';
import { fileOf, type Way } from './move-volumes.ts';
import { volumeKey } from './observed.ts';
import { poolProblem } from './placement.ts';
import type { MovedVolume } from './step.ts';

/** Why a VM cannot be moved now, before anything of it is touched; undefined: nothing is in the way. */
export function moveProblem(
  way: Way,
  volumes: readonly MovedVolume[],
  policy: Pick<HostPolicy, 'pools'>,
): string | undefined {
  return (
    sourceProblem(way) ??
    diskProblem(way, volumes) ??
    machineProblem(way) ??
    volumes
      .filter(({ isShared }) => !isShared)
      .map(({ to }) => poolProblem(to.pool, way.to, policy))
      .find((problem) => problem !== undefined) ??
    imageProblem(way) ??
    takenAddress(way)
  );
}

function sourceProblem({ vm, found, mark, from, isLive }: Way): string | undefined {
  const on = `on ${from.name}`;
  if (found.name !== vm.name) return `it was renamed to ${found.name} ${on}: rename it back`;
  if (found.uuid !== vm.uuid) return `its uuid ${on} is ${found.uuid}, and ${vm.uuid} in git`;
  if (!found.persistent) return `its definition ${on} is gone and it only runs on: define it again there`;
  if (mark.state === 'building' || mark.removed?.complete === false)
    return `its creation ${on} was never finished: put its lines back under ${from.name}, or remove it first`;
  if (found.managedSave)
    return `it is off ${on} with its memory saved, which belongs to that host: start it there, or \`virsh managedsave-remove ${vm.name}\``;
  if (isLive !== true && (found.power === 'paused' || found.power === 'other'))
    return `it is ${found.power === 'paused' ? 'paused' : 'neither running nor shut off'} ${on}, and cannot shut down: help it there`;
  if (isLive !== true && vm.power === 'manual' && found.power !== 'shutoff')
    return `it runs ${on}, and power is left to people (power: manual): shut it off, or have it move live (migration: live)`;
  if (found.foreignSnapshots !== undefined)
    return `it has snapshots of libvirt's own (${found.foreignSnapshots.join(', ')}), which do not move: delete them ${on}`;
  const [tie] = found.ties ?? [];
  return tie && `${tie}, and does not move`;
}

/** Everything that it has a share in has to come along. */
function diskProblem({ found, from }: Way, volumes: readonly MovedVolume[]): string | undefined {
  const files = new Set(volumes.map((volume) => fileOf(volume.from, from)));
  for (const { target, file } of found.disks) {
    if (file === undefined) return `its disk ${target} is no file`;
    if (!files.has(file))
      return `its disk ${target} (${file}) is none that we look after, or its pool on ${from.name} is not active: detach it, or have it in git in a pool`;
  }
  for (const { from: ref, to } of volumes) {
    if (to.retained !== undefined && !from.volumes.has(volumeKey(ref)))
      return `its kept volume ${ref.name} is not in pool ${ref.pool} of ${from.name}: put it back, or give it up with \`kvm-gitops purge\``;
  }
  return undefined;
}

function machineProblem({ found, to }: Way): string | undefined {
  if (found.arch !== undefined && found.arch !== to.arch)
    return `it is of ${found.arch}, and ${to.name} of ${to.arch}`;
  if (found.type === 'kvm' && to.virtType !== 'kvm') return `it runs on KVM, and ${to.name} can only emulate`;
  if (found.machine !== undefined && to.machines !== undefined && !to.machines.has(found.machine))
    return `${to.name} has no machine type ${found.machine}: its QEMU is of another version`;
  return undefined;
}

/** An overlay names the file that it lies over, and is nothing without it. */
function imageProblem({ vm, to }: Way): string | undefined {
  if (vm.bootDisk?.clone !== 'overlay') return undefined;
  const { image } = vm.bootDisk;
  if (image.sourceVm !== undefined && image.content === undefined)
    return `its boot disk is an overlay of the disk of VM ${image.sourceVm.name}, which nobody has read yet`;
  if (to.pools.get(image.pool)?.active !== true || image.content !== undefined) return undefined;
  return to.volumes.has(volumeKey({ pool: image.pool, name: image.volume }))
    ? undefined
    : `base image ${image.name} is not on ${to.name}: no volume ${image.volume} in pool ${image.pool}`;
}

/** libvirt refuses no MAC address that is there twice. */
function takenAddress({ found, to }: Way): string | undefined {
  const own = new Set(found.macs.map((mac) => mac.toLowerCase()));
  const rival = to.vms.find(
    ({ uuid, macs }) => uuid !== found.uuid && macs.some((mac) => own.has(mac.toLowerCase())),
  );
  return (
    rival && `its MAC address is that of VM ${rival.name} on ${to.name} too: give one of the two another`
  );
}
