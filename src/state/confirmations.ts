import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OperatorError } from '../errors.ts';
import type { Clock, Confirmations } from '../ports.ts';
import { ignoreMissing, writeWhole } from './small-files.ts';

export interface ConfirmationStore extends Confirmations {
  /** Confirms what a hash names, for a day. E_USAGE for what is no hash. */
  add(hash: string, who: string): Promise<void>;
}

interface Confirmation {
  readonly hash: string;
  readonly who: string;
  /** ISO 8601. */
  readonly at: string;
}

const VALID_MS = 24 * 60 * 60 * 1000;
const HASH = /^[0-9a-f]{8,64}$/;

/** Keeps one small file for each confirmation under `<dir>/confirmations`. */
export function openConfirmations(dir: string, clock: Clock): ConfirmationStore {
  const folder = join(dir, 'confirmations');
  return {
    has: async (hash) => HASH.test(hash) && isValid(join(folder, hash), hash, clock.now()),
    keepOnly: async (hashes) => {
      const there = (await readdir(folder).catch(ignoreMissing)) ?? [];
      const others = there.filter((name) => !hashes.includes(name));
      for (const name of others) if (HASH.test(name)) await rm(join(folder, name), { force: true });
    },
    add: async (hash, who) => {
      if (!HASH.test(hash)) {
        throw new OperatorError(
          'E_USAGE',
          `${JSON.stringify(hash)} is no confirmation: copy it from the plan`,
        );
      }
      const confirmation: Confirmation = { hash, who, at: clock.now().toISOString() };
      await writeWhole(join(folder, hash), `${JSON.stringify(confirmation)}\n`);
    },
  };
}

async function isValid(path: string, hash: string, now: Date): Promise<boolean> {
  const confirmation = parse(await readFile(path, 'utf8').catch(ignoreMissing));
  if (confirmation?.hash !== hash) return false;
  // Both ways: a clock that was put right may stand before the confirmation.
  if (Math.abs(now.getTime() - Date.parse(confirmation.at)) < VALID_MS) return true;
  await rm(path, { force: true });
  return false;
}

/** What cannot be read confirms nothing. */
function parse(text: string | undefined): Confirmation | undefined {
  try {
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    return isConfirmation(value) ? value : undefined;
  } catch {
    // Half written or damaged: it has to be confirmed again.
    return undefined;
  }
}

function isConfirmation(value: unknown): value is Confirmation {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'hash' in value && 'at' in value && typeof value.at === 'string' && !Number.isNaN(Date.parse(value.at))
  );
}
