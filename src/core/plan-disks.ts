import { type BootDisk, type DataDisk, type DesiredVm, disksOf, type HostPolicy } from './desired.ts';
import type { Fleet } from './fleet.ts';
import type { Mark, MarkedVolume } from './mark.ts';
import { type KnownHost, type ObservedDisk, type ObservedVm, volumeKey } from './observed.ts';
import { poolProblem } from './placement.ts';
import { SEED_TARGET } from './seed.ts';
import { diskSizes, formatGiB, isGrowth, isShrink, keptVolume, shrinkReason } from './shrink.ts';
import { mergeFirst } from './snapshot.ts';
import { type Held, holdBack, type Step, type Verdict, type VmStep } from './step.ts';

const DAY_MS = 24 * 60 * 60 * 1000;

export interface DiskContext {
  readonly vm: DesiredVm;
  readonly found: ObservedVm;
  readonly mark: Mark;
  readonly host: KnownHost;
  readonly fleet: Fleet;
  readonly policy: Pick<HostPolicy, 'pools'>;
  readonly base: Pick<VmStep, 'host' | 'vm' | 'uuid' | 'cluster'>;
  readonly now: Date;
  readonly commit: string;
  readonly tombstoneDays: number;
}

/**
 * What follows for the disks of a VM that is there. A disk is known by its target, whatever its file.
 *
 *   in git | on the VM                      | what follows
 *   -------|--------------------------------|--------------------------------------------------
 *   yes    | smaller                        | grow
 *   yes    | larger                         | held; a new commit that wants it is refused
 *   yes    | no                             | attach: a new volume
 *   yes    | no, but a volume is kept       | attach: that one, with its data
 *   no     | ours                           | detach, and keep its volume until its date
 *   no     | no, and its volume's date came | reclaim
 *   no     | not ours                       | nothing
 */
export function planDisks(context: DiskContext): Verdict {
  const { vm, mark } = context;
  const wanted = new Set(disksOf(vm).map(({ target }) => target)).add(SEED_TARGET);
  const dropped = mark.volumes.filter(({ target }) => target !== '' && !wanted.has(target));
  const verdicts = [
    ...dropped.filter(({ retained }) => retained === undefined).map((volume) => detachment(volume, context)),
    bootDisk(context),
    ...vm.dataDisks.map((disk) => dataDisk(disk, context)),
    ...sizes(context),
    ...mark.volumes.filter((volume) => isDue(volume, context)).map((volume) => reclamation(volume, context)),
  ];
  const verdict = {
    steps: verdicts.flatMap(({ steps }) => steps),
    held: verdicts.flatMap(({ held }) => held),
  };
  return withSnapshotsKept(verdict, mark);
}

/** A snapshot is of the disks as they were: a revert would bring back a smaller one, or one that is gone. */
function withSnapshotsKept({ steps, held }: Verdict, mark: Mark): Verdict {
  const reason = mergeFirst(mark);
  const changing = reason === undefined ? [] : steps.filter(({ kind }) => kind !== 'reclaim');
  if (reason === undefined || changing.length === 0) return { steps, held };
  return {
    steps: steps.filter((step) => !changing.includes(step)),
    held: [...held, ...changing.map((step) => holdBack(step, 'conflict', `${step.reason}; ${reason}`))],
  };
}

const NOTHING: Verdict = { steps: [], held: [] };

function sizes({ vm, found, host, base }: DiskContext): Verdict[] {
  return diskSizes(vm, found, host).map((size) => {
    if (isShrink(size)) return hold({ base }, 'change', 'grow', shrinkReason(size, vm.host));
    // One that is not attached yet is grown when it is.
    if (!isGrowth(size) || diskAt(found, size.target) === undefined) return NOTHING;
    const reason = `${size.target} ${formatGiB(size.found ?? 0)} -> ${formatGiB(size.wanted)}`;
    return one({ ...base, kind: 'grow', reason, target: size.target, bytes: size.wanted });
  });
}

/** It is made with the VM, and never anew. */
function bootDisk({ vm, found, mark, base }: DiskContext): Verdict {
  if (vm.bootDisk === undefined) return NOTHING;
  const { target } = vm.bootDisk;
  const there = diskAt(found, target);
  if (there !== undefined) return poolChange(vm.bootDisk, { mark, base });
  if (!mark.volumes.some((volume) => volume.target === target)) return NOTHING;
  return hold(
    { base },
    'conflict',
    'update',
    `its boot disk ${target} was detached on ${vm.host}: attach it there`,
  );
}

function dataDisk(disk: DataDisk, context: DiskContext): Verdict {
  const { found, mark, base, host, commit } = context;
  const there = diskAt(found, disk.target);
  const kept = keptVolume(found, disk);
  const isKeptOne = kept?.retained !== undefined && there?.file?.endsWith(`/${kept.name}`) === true;
  if (there !== undefined && !isKeptOne) return poolChange(disk, { mark, base });
  const obstacle =
    targetProblem(disk) ?? poolProblem(disk.pool, host, context.policy) ?? keptProblem(kept, disk, context);
  if (obstacle !== undefined) return hold(context, 'conflict', 'attach', `disk ${disk.target}: ${obstacle}`);
  const size = kept && host.volumes.get(volumeKey(kept))?.capacity;
  // Said with the sizes.
  if (size !== undefined && isShrink({ target: disk.target, wanted: disk.sizeGiB * 1024 ** 3, found: size }))
    return NOTHING;
  const reason =
    kept === undefined
      ? `${disk.target}, ${disk.sizeGiB} GiB, is in git`
      : `${disk.target} is in git, and ${kept.name} is kept: with its data`;
  return one({ ...base, kind: 'attach', reason, disk, commit });
}

function targetProblem({ target }: DataDisk): string | undefined {
  return /^vd[b-z]$/.test(target) ? undefined : 'a new disk is vdb to vdz: attach this one by hand';
}

function keptProblem(
  kept: MarkedVolume | undefined,
  { target }: DataDisk,
  { host, found, fleet, vm }: DiskContext,
): string | undefined {
  if (kept === undefined) return undefined;
  if (diskAt(found, target) === undefined && !host.volumes.has(volumeKey(kept))) {
    return (
      `its volume ${kept.name} is not in pool ${kept.pool} of ${host.name}: put it back there, or give it up with ` +
      `\`kvm-gitops purge ${vm.name} --volume ${kept.name}\``
    );
  }
  return otherUser(kept, { host, found, fleet });
}

/** Where it lies is chosen when it is made. */
function poolChange(
  { target, pool, poolIsDeclared }: BootDisk | DataDisk,
  { mark, base }: Pick<DiskContext, 'mark' | 'base'>,
): Verdict {
  const volume = mark.volumes.find((other) => other.target === target && other.retained === undefined);
  if (poolIsDeclared !== true || volume === undefined || volume.pool === pool) return NOTHING;
  const reason = `disk ${target} is in pool ${volume.pool}, and git says ${pool}: a disk stays in its pool; put git back`;
  return hold({ base }, 'change', 'update', reason);
}

function detachment(volume: MarkedVolume, context: DiskContext): Verdict {
  const { found, mark, base, now, commit, tombstoneDays } = context;
  const there = diskAt(found, volume.target);
  if (there?.file !== undefined && !there.file.endsWith(`/${volume.name}`)) {
    const reason = `disk ${volume.target} is no longer in git, but it is ${there.file} by now, not ${volume.name}: detach it by hand`;
    return hold(context, 'conflict', 'detach', reason);
  }
  const purgeAfter = new Date(now.getTime() + tombstoneDays * DAY_MS).toISOString();
  return one({
    ...base,
    kind: 'detach',
    reason: `${volume.target} is gone from git; ${volume.name} is kept until ${purgeAfter.slice(0, 10)}`,
    volume,
    retention: { at: now.toISOString(), purgeAfter, commit },
    mark,
  });
}

function isDue({ retained, target, pool }: MarkedVolume, { vm, now }: DiskContext): boolean {
  const isBack = vm.dataDisks.some((disk) => disk.target === target && disk.pool === pool);
  return retained !== undefined && !isBack && now.getTime() >= Date.parse(retained.purgeAfter);
}

function reclamation(volume: MarkedVolume, context: DiskContext): Verdict {
  const { base, mark, found, vm } = context;
  const { retained, name, target } = volume;
  const own = [...found.disks, ...(found.liveDevices?.disks ?? [])];
  const user = own.some(({ file }) => file?.endsWith(`/${name}`))
    ? `${name} was kept until ${retained?.purgeAfter.slice(0, 10)}, and is a disk of the VM still: shut ${vm.name} down once`
    : otherUser(volume, context);
  if (user !== undefined) return hold(context, 'conflict', 'reclaim', user);
  const reason = `${name} (${target}) was detached on ${retained?.at.slice(0, 10)}, and its date ${retained?.purgeAfter.slice(0, 10)} has come`;
  return one({ ...base, kind: 'reclaim', reason, volume, mark });
}

/** Who else has it as a disk: somebody may have attached it elsewhere, to save the data. */
function otherUser(
  { pool, name }: MarkedVolume,
  { host, found, fleet }: Pick<DiskContext, 'host' | 'found' | 'fleet'>,
): string | undefined {
  const path = host.pools.get(pool)?.path;
  const user =
    path === undefined
      ? undefined
      : fleet
          .usersOf(`${path}/${name}`)
          .find((other) => other.host !== host.name || other.vm.uuid !== found.uuid);
  return user && `${path}/${name} is a disk of ${user.vm.name} on ${user.host} too: detach it there`;
}

function diskAt({ disks }: ObservedVm, target: string): ObservedDisk | undefined {
  return disks.find((disk) => disk.target === target);
}

function one(step: Step): Verdict {
  return { steps: [step], held: [] };
}

function hold(
  { base }: Pick<DiskContext, 'base'>,
  because: Held['because'],
  kind: Held['kind'],
  reason: string,
): Verdict {
  return { steps: [], held: [{ host: base.host, subject: base.vm, because, kind, reason }] };
}
