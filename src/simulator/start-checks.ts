import type { Definition } from './definition.ts';
import type { Run } from './domain.ts';
import type { HostFacts } from './facts.ts';
import { internalError, systemError } from './failure.ts';
import type { Storage } from './storage.ts';

interface Surroundings {
  readonly facts: HostFacts;
  readonly storage: Storage;
  readonly running: readonly Run[];
}

/** Fails where QEMU would not come up with this definition, in libvirt's order of looking. */
export function checkStart(config: Definition, { facts, storage, running }: Surroundings): void {
  checkBridges(config, facts);
  for (const { file } of config.disks) if (file !== undefined) storage.checkReadable(file);
  checkLocks(config, running);
}

function checkBridges({ bridges }: Definition, facts: HostFacts): void {
  const there = facts.bridges;
  const missing = bridges.find((bridge) => there !== undefined && !there.includes(bridge));
  if (missing !== undefined)
    throw systemError('none', `Cannot get interface MTU on '${missing}': No such device`);
}

/** QEMU locks the images that it writes to. `command`: it runs already, and is told to open them. */
export function checkLocks(
  { disks }: Pick<Definition, 'disks'>,
  running: readonly Run[],
  { command }: { readonly command?: string } = {},
): void {
  const taken = new Set(
    running.flatMap(({ definition }) => definition.disks.filter(isLocked).map(({ file }) => file)),
  );
  const disk = disks.find((candidate) => isLocked(candidate) && taken.has(candidate.file));
  if (disk === undefined) return;
  const what = `Failed to get "write" lock\nIs another process using the image [${disk.file}]?`;
  const doing =
    command === undefined
      ? 'process exited while connecting to monitor'
      : `unable to execute QEMU command '${command}'`;
  throw internalError('qemu', `${doing}: ${what}`);
}

function isLocked(disk: Definition['disks'][number]): boolean {
  return disk.file !== undefined && disk.writable && !disk.shareable;
}
