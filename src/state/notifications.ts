import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NOTICE_KINDS, type Standing, type Standings } from '../core/notifying/standing.ts';
import { ignoreMissing, writeWhole } from './small-files.ts';

/** How things stand, and what each receiver knows of it. */
export interface NotificationMemory {
  /** Empty until a commit was accepted. */
  readonly cluster: string;
  readonly standings: Standings;
  /** By the receiver's name. */
  readonly told: ReadonlyMap<string, Standings>;
}

export interface NotificationStore {
  /** Undefined: there is none yet, or it is damaged. */
  load(): Promise<NotificationMemory | undefined>;
  /** Does nothing where it says that already. */
  save(memory: NotificationMemory): Promise<void>;
}

/** Kept in `<dir>/notifications.json`. */
export function openNotifications(dir: string): NotificationStore {
  const path = join(dir, 'notifications.json');
  let last = '';
  return {
    async load() {
      const text = await readFile(path, 'utf8').catch(ignoreMissing);
      return text === undefined ? undefined : parse(text);
    },
    async save(memory) {
      const text = render(memory);
      if (text === last) return;
      await writeWhole(path, text);
      last = text;
    },
  };
}

function render({ cluster, standings, told }: NotificationMemory): string {
  const file = {
    v: 1,
    cluster,
    standings: [...standings],
    told: [...told].map(([name, known]) => [name, [...known]]),
  };
  return `${JSON.stringify(file)}\n`;
}

/** The parse boundary: what stands there was written by us, or is damaged. */
function parse(text: string): NotificationMemory | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    if (!('v' in value && value.v === 1 && 'standings' in value && 'told' in value)) return undefined;
    const cluster = 'cluster' in value && typeof value.cluster === 'string' ? value.cluster : '';
    const told = pairs(value.told).map(([name, known]): [string, Standings] => [name, standingsOf(known)]);
    return { cluster, standings: standingsOf(value.standings), told: new Map(told) };
  } catch {
    // Half written or damaged: how things stand is seen anew, and told once more.
    return undefined;
  }
}

function pairs(value: unknown): [string, unknown][] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((pair: unknown): [string, unknown][] => {
    if (!Array.isArray(pair)) return [];
    const [key, content]: unknown[] = pair;
    return typeof key === 'string' ? [[key, content]] : [];
  });
}

function standingsOf(value: unknown): Standings {
  return new Map(
    pairs(value).flatMap(([key, content]): [string, Standing][] =>
      isStanding(content) ? [[key, content]] : [],
    ),
  );
}

function isStanding(value: unknown): value is Standing {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, reason, since, commit }: Partial<Record<keyof Standing, unknown>> = value;
  const isCommit = commit === undefined || (typeof commit === 'object' && commit !== null && 'sha' in commit);
  return (
    NOTICE_KINDS.some((one) => one === kind) &&
    typeof reason === 'string' &&
    typeof since === 'string' &&
    isCommit
  );
}
