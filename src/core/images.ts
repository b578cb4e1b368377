import type { Cluster } from './cluster.ts';
import type { Image, ImageContent } from './desired.ts';

type WrittenImage = NonNullable<Cluster['images']>[string];

const DIGITS = 16;
const SUFFIX = { qcow2: 'qcow2', raw: 'img' } as const;

/** An image as one host has it. `diskPool`: where the operator puts it, if the image does not say. */
export function resolveImage(name: string, written: WrittenImage, diskPool: string): Image {
  const { pool, volume, srcvm, sha256, file, url, format = 'qcow2', cloudInit } = written;
  const base = { name, ...(cloudInit !== undefined && { cloudInit }) };
  // Pool and volume of a VM's disk show on the host: see `resolveSourceVm`.
  if (srcvm !== undefined) return { ...base, pool: '', volume: '', sourceVm: srcvm };
  if (sha256 === undefined) return { ...base, pool: pool ?? '', volume: volume ?? '' };
  const from = file === undefined ? { url: url ?? '' } : { file };
  const content: ImageContent = { ...from, sha256: sha256.toLowerCase(), format };
  return { ...base, pool: pool ?? diskPool, volume: contentName(content), content };
}

/** What an image is known by that is brought: its content; undefined: it is not brought. */
export function imageKey({ content }: Image): string | undefined {
  return content?.sha256;
}

/** The volume is named by what is in it: another content is another volume, and no overlay meets a changed base. */
function contentName({ sha256, format }: ImageContent): string {
  return `base-${sha256.slice(0, DIGITS)}.${SUFFIX[format]}`;
}
