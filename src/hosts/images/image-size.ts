import { stat } from 'node:fs/promises';
import type { ImageSize } from '../../core/observed.ts';
import { withDeadline } from '../deadline.ts';
import { readDiskHeader } from './disk-format.ts';

const LOOK = { timeoutMs: 2000, what: 'looking at an image' };

/** Looks how large image files are; undefined where one is not there or cannot be read. */
export function sizeReader(): (path: string) => Promise<ImageSize | undefined> {
  const looking = new Map<string, Promise<ImageSize>>();
  return async (path) => {
    // A file server that hangs holds one look for ever, and not one more in each pass.
    const look = looking.get(path) ?? read(path).finally(() => looking.delete(path));
    looking.set(path, look);
    try {
      return await withDeadline(look, LOOK);
    } catch {
      // Whoever opens it hears why.
      return undefined;
    }
  };
}

async function read(path: string): Promise<ImageSize> {
  const { size: bytes } = await stat(path);
  const { capacityBytes: capacity = bytes } = await readDiskHeader(path);
  return { bytes, capacity };
}
