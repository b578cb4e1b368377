import { WaitCutShort } from '../../core/asked.ts';
import { type DomainDefinition, parseDomain } from '../../core/domain-definition.ts';
import type { Mark } from '../../core/mark.ts';
import { movedDefinition } from '../../core/moved-definition.ts';
import type { MigrateStep, MovedVolume } from '../../core/step.ts';
import { OperatorError } from '../../errors.ts';
import { claim, defineClaim } from './claim.ts';
import type { StepContext } from './context.ts';
import { copyAll, untilSuperseded } from './copy-volumes.ts';
import { makeEmptyTwin } from './empty-twin.ts';
import { handOver } from './hand-over.ts';
import { requireMovable } from './movable.ts';
import { mappedFiles, requireVolume, stampOf } from './moved-disks.ts';
import { findOwned, type Owned, requireOwned, writeMark } from './owned.ts';
import { deleteUnused, strikeOff } from './snapshot-parts.ts';
import { contextOn, goOn, refused, requireOff } from './two-hosts.ts';
import { describeVolume } from './volumes.ts';

/**
 * Takes a running VM over: a claim here, twins of its disks, and then disks and memory by libvirt while the guest goes on.
 * The source's mark says first where it goes, and that it goes live; this host's definition becomes the VM in the moment in
 * which the guest runs here. See `handOver` for what a cut leaves; the next try begins with new twins.
 */
export async function migrate(context: StepContext, step: MigrateStep): Promise<void> {
  const there = await findOwned(context, step);
  if (there?.mark.state === 'ready' && there.mark.from?.host === step.from.host)
    return context.client.domains.setAutostart(there.domain, step.autostart);

  const source = await contextOn(context, step.from.host);
  const owned = await requireGuest(source, step, context.host);
  await goOnBefore(context, source, { step, owned });
  await requireMovable(source, context, { step, owned });
  if (context.superseded.aborted) throw new WaitCutShort();
  await setOff(source, step, { owned, to: context.host });

  const running = parseDomain(await source.client.domains.xml(owned.domain));
  const used = await inUse(source, step, running);
  const idle = step.volumes.filter((volume) => !used.has(volume));
  const claimed = await claim(context, step, await stampOf(source, { vm: step.vm, volumes: idle }));
  await untilSuperseded(context, () => copyAll(context, source, { step, volumes: idle, claimed }));
  await copyTurn(context, source, step, async () => {
    await requireClaim(context, step);
    await deleteUnused(
      context,
      step,
      [...used.keys()].map(({ to }) => to),
    );
    for (const volume of used.keys()) await makeEmptyTwin(source, context, volume);
    await takeOver(context, source, { step, owned, claimed, disks: [...used.values()] });
  });
  await requireTakenOver(context, source, step);
  await context.client.domains.setAutostart(owned.domain, step.autostart);
}

function copyTurn(
  context: StepContext,
  source: StepContext,
  { limits }: MigrateStep,
  work: () => Promise<void>,
): Promise<void> {
  context.progress(`waiting for its turn to come from ${source.host}`);
  return context.copyInTurn([source.host, context.host], limits.maxPerHost, work);
}

/** The VM where it runs; paused where an earlier try was cut short after all was sent. */
async function requireGuest(source: StepContext, step: MigrateStep, to: string): Promise<Owned> {
  const owned = await requireOwned(source, { ...step, host: source.host }, ['ready', 'migrating']);
  const way = owned.mark.to;
  if (way !== undefined && (way.host !== to || way.live !== true))
    throw refused(step, `on ${source.host} it is on its way to ${way.host}, and not live to ${to}`);
  const { state } = await source.client.domains.state(owned.domain);
  if (state === 'running' || (state === 'paused' && way !== undefined)) return owned;
  throw refused(step, `it is ${state} on ${source.host}`);
}

/** A guest that an earlier try has left paused goes on before anything else: what follows may fail. */
async function goOnBefore(
  context: StepContext,
  source: StepContext,
  { step, owned }: { readonly step: MigrateStep; readonly owned: Owned },
): Promise<void> {
  if (owned.mark.to === undefined) return;
  const there = await findOwned(context, step);
  if (there !== undefined && there.mark.state !== 'arriving')
    throw refused(step, `on ${context.host} it is ${there.mark.state} by now`);
  if (there !== undefined) await requireOff(context, step, there);
  await goOn(source, owned);
}

/** Its turn may have come late: nobody has made something of the claim meanwhile. */
async function requireClaim(context: StepContext, step: MigrateStep): Promise<void> {
  const there = await findOwned(context, step);
  if (there?.mark.state !== 'arriving') throw refused(step, `its claim on ${context.host} is gone`);
  await requireOff(context, step, there);
}

/** Writes where it goes, and has it not come back by itself on a host that loses its power. */
async function setOff(
  source: StepContext,
  step: MigrateStep,
  { owned, to }: { readonly owned: Owned; readonly to: string },
): Promise<void> {
  const here = { ...step, host: source.host };
  await strikeOff(source, here);
  await source.client.domains.setAutostart(owned.domain, false);
  if (owned.mark.state === 'migrating') return;
  const { mark } = await requireOwned(source, here, ['ready']);
  const { host: _, ...since } = step.from;
  await writeMark(source, here, { ...mark, state: 'migrating', to: { ...since, host: to, live: true } });
}

/** Which volumes the guest writes to, each with the disk that it is: not its seed, nor what is kept of an old disk. */
async function inUse(
  source: StepContext,
  { vm, volumes }: MigrateStep,
  { disks }: DomainDefinition,
): Promise<ReadonlyMap<MovedVolume, string>> {
  const used = new Map<MovedVolume, string>();
  for (const volume of volumes) {
    const { path } = await describeVolume(source, await requireVolume(source, vm, volume.from));
    const disk = disks.find(({ file, isShared }) => file === path && isShared !== true);
    if (disk !== undefined) used.set(volume, disk.target);
  }
  return used;
}

interface TakeOver {
  readonly step: MigrateStep;
  readonly owned: Owned;
  readonly claimed: Mark;
  readonly disks: readonly string[];
}

async function takeOver(
  context: StepContext,
  source: StepContext,
  { step, owned, claimed, disks }: TakeOver,
): Promise<void> {
  if (context.superseded.aborted) throw new WaitCutShort();
  const { domains } = source.client;
  const files = await mappedFiles(source, context, step.volumes);
  const moved = async (options: Parameters<typeof domains.xml>[1]) => {
    const place = movedDefinition(await domains.xml(owned.domain, options), { files, mark: step.mark });
    if ('problem' in place) throw refused(step, place.problem);
    return place.xml;
  };
  await handOver(context, source, {
    step,
    domain: owned.domain,
    definitions: {
      running: await moved({ migratable: true, secure: true }),
      next: await moved({ inactive: true, secure: true }),
    },
    disks,
    claimAgain: () => claimAgain(context, step, claimed),
    callOff: () => callOff(source, step),
  });
}

/** It has not left, whatever becomes of the other host: so it is started there, and by its host, as before. */
async function callOff(source: StepContext, step: MigrateStep): Promise<void> {
  const here = { ...step, host: source.host };
  try {
    const owned = await requireOwned(source, here, ['migrating']);
    await goOn(source, owned);
    await source.client.domains.setAutostart(owned.domain, step.autostart);
    const { to: _, ...mark } = owned.mark;
    await writeMark(source, here, { ...mark, state: 'ready' });
  } catch {
    // What made the move fail is told; the next pass goes on from the mark.
  }
}

/** What may be defined here names disks that are not whole. */
async function claimAgain(context: StepContext, step: MigrateStep, claimed: Mark): Promise<void> {
  const there = await findOwned(context, step);
  if (there === undefined) return;
  await requireOff(context, step, there);
  if (there.mark.state !== 'arriving') await defineClaim(context, step, claimed);
}

async function requireTakenOver(context: StepContext, source: StepContext, step: MigrateStep): Promise<void> {
  const there = await findOwned(context, step);
  const state = there && (await context.client.domains.state(there.domain)).state;
  if (there?.mark.state !== 'ready' || state !== 'running')
    throw new OperatorError('E_POSTCONDITION', `${step.vm} came to ${step.host} and does not run there`);
  const left = await findOwned(source, { ...step, host: source.host });
  if (left !== undefined) await requireOff(source, step, left);
}
