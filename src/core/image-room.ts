import type { BootDisk, Image, NewVm } from './desired.ts';
import { imageKey } from './images.ts';
import { type KnownHost, volumeKey } from './observed.ts';

const GIB = 1024 ** 3;

/** Bytes that images still take which have to come into a pool for VMs that are to be made: each once. */
export function comingImageBytes(pool: string, arriving: readonly NewVm[], host: KnownHost): number {
  return comingImages(arriving, host)
    .filter((image) => image.pool === pool)
    .reduce((sum, image) => {
      const there = host.volumes.get(volumeKey({ pool, name: image.volume }))?.allocation ?? 0;
      return sum + Math.max(0, (sizeOf(image, host)?.bytes ?? 0) - there);
    }, 0);
}

/** Bytes of a boot disk at full size, as far as the size of its image is known. */
export function bootDiskBytes({ image, sizeGiB = 0 }: BootDisk, host: KnownHost | undefined): number {
  const volume = host?.volumes.get(volumeKey({ pool: image.pool, name: image.volume }));
  const capacity = volume?.capacity ?? (host && sizeOf(image, host)?.capacity) ?? 0;
  return Math.max(sizeGiB * GIB, capacity);
}

/** Images that have to come, and whose size shows only once they are fetched; in sentences. */
export function unknownImages(arriving: readonly NewVm[], host: KnownHost): string[] {
  return comingImages(arriving, host)
    .filter((image) => sizeOf(image, host) === undefined)
    .map(({ name }) => `image ${name} is to be brought, and how large it is shows once it is fetched`);
}

function comingImages(arriving: readonly NewVm[], host: KnownHost): readonly Image[] {
  const images = arriving.map(({ bootDisk }) => bootDisk.image);
  const coming = images.filter(
    (image) =>
      imageKey(image) !== undefined &&
      host.volumes.get(volumeKey({ pool: image.pool, name: image.volume }))?.verified !== true,
  );
  return [...new Map(coming.map((image) => [`${image.pool} ${imageKey(image)}`, image])).values()];
}

function sizeOf(image: Image, { images }: KnownHost) {
  return images?.get(imageKey(image) ?? '');
}
