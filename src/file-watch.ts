import { watch } from 'chokidar';

/** Ends a watch. */
export interface FileWatch {
  close(): Promise<void>;
}

/** A file may be half written at its first event, and chokidar leaves out a change within 50 ms of the one before. */
const SETTLE_MS = 100;

/** Calls `onChange` soon after a file, or one in a folder, has changed. Only a hint; it never throws later. */
export async function watchFiles(path: string, onChange: () => void): Promise<FileWatch> {
  const watcher = watch(path, { ignoreInitial: true, depth: 0, followSymlinks: true });
  let settling: NodeJS.Timeout | undefined;
  watcher.on('all', () => {
    clearTimeout(settling);
    settling = setTimeout(onChange, SETTLE_MS);
  });
  // Too many watches, or the folder is gone: what is watched for is found by the next pass as well.
  watcher.on('error', () => undefined);
  await new Promise<void>((resolve) => {
    watcher.once('ready', resolve);
  });
  return {
    async close() {
      // In a later tick: chokidar leaves watches behind when it is closed in a handler of its own.
      await new Promise((resolve) => setImmediate(resolve));
      await watcher.close();
      clearTimeout(settling);
    },
  };
}
