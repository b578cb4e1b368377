import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../core/pause.ts';
import type { Suspension } from '../core/suspension.ts';
import { readSmallFiles, writeWhole } from './small-files.ts';

/** One small file for each suspension, named after what it leaves alone. */
export interface SuspensionFiles {
  /** All that stand, those that are over too. */
  all(): Promise<readonly Suspension[]>;
  /** In the place of an earlier one of the same scope. */
  put(suspension: Suspension): Promise<void>;
  remove(scope: Scope): Promise<void>;
}

const ENDING = '.json';

/** Keeps them under `<dir>/suspensions`. One that is damaged holds until it is resumed: the cautious side. */
export function openSuspensions(dir: string): SuspensionFiles {
  const folder = join(dir, 'suspensions');
  return {
    async all() {
      const files = await readSmallFiles(folder, ENDING);
      return [...files].flatMap(([name, content]) => {
        const scope = scopeOf(name.slice(0, -ENDING.length));
        if (scope === undefined) return [];
        return [isSuspension(content) ? { ...content, scope } : damaged(scope)];
      });
    },
    put: (suspension) => writeWhole(pathOf(folder, suspension.scope), `${JSON.stringify(suspension)}\n`),
    remove: (scope) => rm(pathOf(folder, scope), { force: true }),
  };
}

/** `all`, `host-t01`, `vm-t01-web-1`: each part is encoded so that no dash or slash of a name is left in it. */
function pathOf(folder: string, { host, vm }: Scope): string {
  const parts = host === undefined ? ['all'] : vm === undefined ? ['host', host] : ['vm', host, vm];
  return join(folder, `${parts.map(encode).join('-')}${ENDING}`);
}

function scopeOf(name: string): Scope | undefined {
  const [kind, host, vm] = name.split('-').map(decodeURIComponent);
  if (kind === 'all') return {};
  if (kind === 'host' && host !== undefined) return { host };
  return kind === 'vm' && host !== undefined && vm !== undefined ? { host, vm } : undefined;
}

function encode(part: string): string {
  return encodeURIComponent(part).replaceAll('-', '%2D');
}

function damaged(scope: Scope): Suspension {
  return { scope, who: 'somebody', at: new Date(0).toISOString(), reason: 'its file is damaged' };
}

function isSuspension(value: unknown): value is Suspension {
  if (typeof value !== 'object' || value === null) return false;
  const isText = (key: string) => key in value && typeof Reflect.get(value, key) === 'string';
  return isText('who') && isText('reason') && isText('at') && isTime(value, 'until');
}

function isTime(value: object, key: string): boolean {
  return !Number.isNaN(Date.parse(String(Reflect.get(value, key))));
}
