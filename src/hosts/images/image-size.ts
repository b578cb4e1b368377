import { stat } from 'node:fs/promises';
import type { Image } from '../../core/desired.ts';
import { imageKey } from '../../core/images.ts';
import type { ImageSize, ObservedHost } from '../../core/observed.ts';
import { sourceSize } from '../../core/source-vm.ts';
import { withDeadline } from '../deadline.ts';
import { readDiskHeader } from './disk-format.ts';
import type { ImageFiles } from './image-files.ts';

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

/** How large images are that could be brought, by `imageKey`: as their files say, or the disks of VMs that nobody has read. */
export async function imageSizes(
  images: readonly Image[],
  hosts: readonly ObservedHost[],
  files: Pick<ImageFiles, 'sizeOf'>,
): Promise<ReadonlyMap<string, ImageSize>> {
  const byName = new Map(hosts.map((host) => [host.name, host]));
  const found = await Promise.all(
    images.map(async (image) => {
      const { content, sourceVm } = image;
      const size =
        content === undefined ? sourceVm && sourceSize(sourceVm, byName) : await files.sizeOf(content);
      return [imageKey(image) ?? '', size] as const;
    }),
  );
  return new Map(found.flatMap(([key, size]) => (size === undefined ? [] : [[key, size]])));
}
