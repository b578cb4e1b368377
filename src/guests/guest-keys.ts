import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The SSH keys of guests, a file for each VM in the state folder. An empty file means that the VM is new: the first key
 * that it shows is recorded. Where there is no file, the VM was not created from here, and a key cannot be known.
 */
export interface GuestKeys {
  fileOf(vm: string): string;
  /** A new guest takes the name: what was known of an earlier one is forgotten. */
  expectNew(vm: string): Promise<void>;
  isKnown(vm: string): Promise<boolean>;
}

export function guestKeysIn(dir: string): GuestKeys {
  const fileOf = (vm: string) => join(dir, vm);
  return {
    fileOf,
    async expectNew(vm) {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeFile(fileOf(vm), '', { mode: 0o600, flush: true });
    },
    async isKnown(vm) {
      try {
        return (await stat(fileOf(vm))).isFile();
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
        throw error;
      }
    },
  };
}
