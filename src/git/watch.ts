import { stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { watch } from 'chokidar';
import type { Remote } from './remote.ts';

/** Ends the watch. */
export interface RemoteWatch {
  close(): Promise<void>;
}

/** What changes in a repository when a branch moves. */
const WATCHED = /^(?:HEAD|packed-refs|reftable(?:\/.*)?|refs(?:\/heads(?:\/.*)?)?)$/;

/**
 * chokidar follows a file that was replaced a moment after it has told of it. A push that falls into that moment goes
 * unseen, so a hint is followed by another when it has been quiet for so long.
 */
const SETTLE_MS = 1_000;

/**
 * `changed`: soon after a branch moved. `settled`: a second later, when nothing came since: time for another look.
 */
export type RemoteHint = 'changed' | 'settled';

/**
 * Calls `onHint` when a branch of a local remote moves: a bare repository or a work tree. Only a hint: it may be missed
 * or come twice, so the poll stays. Undefined for a remote that cannot be watched from here.
 */
export async function watchRemote(
  remote: Remote,
  onHint: (hint: RemoteHint) => void,
): Promise<RemoteWatch | undefined> {
  if (remote.kind !== 'local') return undefined;
  const dir = await findGitDir(remote.path);
  if (dir === undefined) return undefined;
  const ignored = (path: string): boolean => isIgnored(relative(dir, path).split(sep).join('/'));
  const watcher = watch(dir, { ignored, ignoreInitial: true, atomic: false, followSymlinks: false });
  let settling: NodeJS.Timeout | undefined;
  watcher.on('all', () => {
    clearTimeout(settling);
    settling = setTimeout(() => onHint('settled'), SETTLE_MS);
    onHint('changed');
  });
  // A folder that vanished, or too many watches: the poll goes on without us.
  watcher.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    watcher.once('ready', resolve);
  });
  return {
    close: async () => {
      // Never inside an event handler of its own: chokidar would then leave watches behind that keep the process alive.
      await new Promise((resolve) => setImmediate(resolve));
      await watcher.close();
      clearTimeout(settling);
    },
  };
}

function isIgnored(name: string): boolean {
  return name !== '' && (!WATCHED.test(name) || name.endsWith('.lock'));
}

async function findGitDir(path: string): Promise<string | undefined> {
  for (const dir of [join(path, '.git'), path]) {
    const [head, refs] = await Promise.all(
      ['HEAD', 'refs'].map((name) => stat(join(dir, name)).catch(() => undefined)),
    );
    if (head?.isFile() && refs?.isDirectory()) return dir;
  }
  return undefined;
}
