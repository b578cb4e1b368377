import type { DesiredVm } from './desired.ts';
import type { OwnedVm } from './fleet.ts';
import type { Way } from './move-volumes.ts';
import { SEED_TARGET } from './seed.ts';
import type { MovedVolume } from './step.ts';

/**
 * Its move while it runs has begun, and is under way or was cut short: it runs still, or waits paused, on the host that it
 * leaves. Shut off there, it moves on as any other.
 */
export function movesLive({ mark, vm }: OwnedVm): boolean {
  return mark.to?.live === true && (vm.power === 'running' || vm.power === 'paused');
}

/** Whether git has it move while it runs, where it does run. */
export function wantsLive(vm: DesiredVm, body: OwnedVm): boolean {
  const runs = body.mark.state === 'ready' && body.vm.power === 'running';
  return vm.migration !== 'offline' && vm.power !== 'off' && (runs || movesLive(body));
}

/** Why it cannot be moved while it runs; undefined: it can. */
export function liveObstacle({ found }: Way, volumes: readonly MovedVolume[]): string | undefined {
  const shared = volumes.find(({ isShared }) => isShared);
  if (shared !== undefined)
    return `its volume ${shared.from.name} is on a file server that both hosts use, where QEMU's cache could lose writes`;
  const common = found.disks.find(({ isShared, target }) => isShared === true && target !== SEED_TARGET);
  if (common !== undefined) return `others may have its disk ${common.target} too`;
  const files = new Set(found.disks.map(({ file }) => file));
  const running = found.liveDevices?.disks;
  const isSame = running?.length === files.size && running.every(({ file }) => files.has(file));
  if (running !== undefined && !isSame)
    return 'it runs with other disks than its definition has until it is restarted';
  return undefined;
}
