import type { Cluster } from './cluster.ts';
import type { Image, ImageContent } from './desired.ts';

type WrittenImage = NonNullable<Cluster['images']>[string];

const DIGITS = 16;
const SUFFIX = { qcow2: 'qcow2', raw: 'img' } as const;

/** An image as one host has it. `diskPool`: where the operator puts it, if the image does not say. */
export function resolveImage(
  name: string,
  written: WrittenImage,
  { host, diskPool }: { readonly host: string; readonly diskPool: string },
): Image {
  const { pool, volume, srcvm, sha256, file, url, format = 'qcow2', cloudInit } = written;
  const base = { name, ...(cloudInit !== undefined && { cloudInit }), pool: pool ?? diskPool };
  const sourceVm = srcvm === undefined ? {} : { sourceVm: { name: srcvm, host: written.host ?? host } };
  if (sha256 === undefined) return { ...base, volume: volume ?? '', ...sourceVm };
  const from = { ...(file !== undefined && { file }), ...(url !== undefined && { url }) };
  return withContent({ ...base, volume: '', ...sourceVm }, { ...from, sha256: sha256.toLowerCase(), format });
}

/** The image as one that has that content. */
export function withContent(image: Image, content: ImageContent): Image {
  return { ...image, volume: contentName(content), content };
}

/** Whether the operator brings it to hosts. */
export function isBrought({ content, sourceVm }: Image): boolean {
  return content !== undefined || sourceVm !== undefined;
}

/** What an image is known by that is brought: its content, or the VM whose disk nobody has read yet. */
export function imageKey({ content, sourceVm }: Image): string | undefined {
  return content?.sha256 ?? (sourceVm && `VM ${sourceVm.name} on ${sourceVm.host}`);
}

/** The volume is named by what is in it: another content is another volume, and no overlay meets a changed base. */
function contentName({ sha256, format }: ImageContent): string {
  return `base-${sha256.slice(0, DIGITS)}.${SUFFIX[format]}`;
}
