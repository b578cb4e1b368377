import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isLeftBehind } from '../core/mark.ts';
import type { KnownHost, ObservedVm } from '../core/observed.ts';
import { replaceFile } from './replace-file.ts';

/** Which VMs of ours each host had when it last answered: what makes an Unknown host less of a riddle. */
export interface Inventory {
  lastSeen(host: string): readonly string[] | undefined;
  /** Remembers that a VM is about to be made or taken back there: the host may fall silent before it is next seen. */
  expect(host: string, vm: string): Promise<void>;
  /** Remembers what the hosts showed; written to disk only when it changed. */
  remember(hosts: readonly KnownHost[]): Promise<void>;
}

/**
 * Opens `inventory.json` in the state folder. A file that cannot be read counts as no memory: the cautious side.
 * `readOnly`: for commands beside a running operator, whose file must not go back to what they saw.
 */
export async function openInventory(
  dir: string,
  { readOnly = false }: { readonly readOnly?: boolean } = {},
): Promise<Inventory> {
  const file = join(dir, 'inventory.json');
  const hosts = await load(file);
  let unsaved = false;
  let writing: Promise<void> = Promise.resolve();
  return {
    lastSeen: (host) => hosts.get(host),
    async expect(host, vm) {
      const names = hosts.get(host) ?? [];
      if (names.includes(vm)) return;
      hosts.set(host, [...names, vm]);
      unsaved = true;
      await write();
    },
    async remember(known) {
      for (const host of known) {
        const names = host.vms.filter(isMarked).map(({ name }) => name);
        if (hosts.get(host.name)?.join() === names.join()) continue;
        hosts.set(host.name, names);
        unsaved = true;
      }
      await write();
    },
  };

  async function write(): Promise<void> {
    if (!unsaved || readOnly) return;
    unsaved = false;
    writing = writing.then(() => replaceFile(file, `${JSON.stringify(Object.fromEntries(hosts))}\n`));
    try {
      await writing;
    } catch (error) {
      unsaved = true;
      writing = Promise.resolve();
      throw error;
    }
  }
}

/**
 * Whatever carries a mark, or had one: a tombstone's disks are there to come back to, and nothing may be made beside
 * them. But for what a move left behind: the VM lives elsewhere.
 */
function isMarked({ mark, markError }: ObservedVm): boolean {
  return markError !== undefined || (mark !== undefined && !isLeftBehind(mark));
}

async function load(file: string): Promise<Map<string, readonly string[]>> {
  try {
    const content: unknown = JSON.parse(await readFile(file, 'utf8'));
    return new Map(
      Object.entries(content ?? {}).filter((entry): entry is [string, string[]] => isNameList(entry[1])),
    );
  } catch {
    // Not there yet, or torn: what is not remembered is asked for again.
    return new Map();
  }
}

function isNameList(value: unknown): boolean {
  return Array.isArray(value) && value.every((name) => typeof name === 'string');
}
