import type { DesiredState, Image, ImageContent } from './desired.ts';
import { withContent } from './images.ts';

/** What the disk of a VM was when it was first read for an image of that name. */
export interface ReadSource extends Pick<ImageContent, 'sha256' | 'format'> {
  /** ISO 8601, UTC. */
  readonly at: string;
}

/** By `sourceKey`. */
export type ReadSources = ReadonlyMap<string, ReadSource>;

/**
 * What an image without a sha256 in git is known by: under another name, or of another VM, it is another image, and is read
 * anew. Undefined where git says the content.
 */
export function sourceKey({ name, sourceVm, content }: Image): string | undefined {
  if (sourceVm === undefined || content !== undefined) return undefined;
  return `${name} ${sourceVm.host}/${sourceVm.name}`;
}

/** The image with the content that was read for it, if it was. */
export function asRead(image: Image, read: ReadSources): Image {
  const source = read.get(sourceKey(image) ?? '');
  return source === undefined ? image : withContent(image, { sha256: source.sha256, format: source.format });
}

/** What git asks for, with the content of each image that was read. */
export function withReadSources(desired: DesiredState, read: ReadSources): DesiredState {
  if (read.size === 0) return desired;
  const hosts = [...desired.hosts].map(
    ([name, host]) => [name, { ...host, images: host.images.map((image) => asRead(image, read)) }] as const,
  );
  const vms = [...desired.vms].map(([name, vm]) => {
    const { bootDisk } = vm;
    if (bootDisk?.image.sourceVm === undefined) return [name, vm] as const;
    return [name, { ...vm, bootDisk: { ...bootDisk, image: asRead(bootDisk.image, read) } }] as const;
  });
  return { ...desired, hosts: new Map(hosts), vms: new Map(vms) };
}
