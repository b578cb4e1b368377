import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import type { DesiredState, Image, ImageContent, SourceVm } from '../../core/desired.ts';
import { withContent } from '../../core/images.ts';
import type { ImageSize } from '../../core/observed.ts';
import { imagesOf } from '../../core/plan-adopt.ts';
import { asRead, type ReadSources, sourceKey, withReadSources } from '../../core/source-images.ts';
import { errorMessage, OperatorError } from '../../errors.ts';
import { readDiskHeader } from './disk-format.ts';
import { type DroppedFile, dropFiles } from './drop-files.ts';
import { sizeReader } from './image-size.ts';
import { createMeter, metered } from './meter.ts';
import type { SourceDisk } from './source-disk.ts';
import { openSourceMemory } from './source-memory.ts';
import { writeSparse } from './write-sparse.ts';

/** No more is fetched for one image: the state folder holds the journal too. */
const MAX_BYTES = 64 * 1024 ** 3;

/** A file on this machine whose content is the one that git names, or that was read from a VM first. */
export interface ImageFile {
  readonly path: string;
  readonly bytes: number;
  /** The image, with its content. */
  readonly image: Image & { readonly content: ImageContent };
}

export interface OpenOptions {
  readonly progress: (message: string) => void;
  readonly openSource: (source: SourceVm) => Promise<SourceDisk>;
}

/** The operator's own copies of image files. */
export interface ImageFiles {
  /** Fetches what is not here yet, checks it, and says where it is. E_IMAGE_MISSING where it is not what it has to be. */
  open(image: Image, options: OpenOptions): Promise<ImageFile>;
  /** How large it is; undefined where it is not here, or not to be read. */
  sizeOf(content: ImageContent): Promise<ImageSize | undefined>;
  /** Deletes the copies of what no image of git is, once no step is under way; what was deleted. */
  keepNamed(desired: DesiredState): Promise<DroppedFile[]>;
  /** What the disks of VMs were when they were first read. */
  readonly sources: ReadSources;
}

/**
 * Files that are named by path are read where they are; those behind a URL and the disks of VMs are kept in `<state>/images`,
 * each under the sha256 of its content. No message says which sha256 a file has instead of the wanted one: a commit could
 * otherwise learn it, name it, and have any file of this machine or its network copied into a VM.
 */
export async function openImageFiles(stateDir: string, timeoutMs: number): Promise<ImageFiles> {
  const folder = join(stateDir, 'images');
  const memory = await openSourceMemory(stateDir);
  const checked = new Map<string, string>();
  const oneAtATime = pLimit(1);
  const readSize = sizeReader();

  /** `fill` writes a new file and returns the sha256 of what it wrote. */
  async function keep(fill: (part: string) => Promise<string>, require: (sha256: string) => void) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const part = join(folder, `${randomUUID()}.part`);
    try {
      const sha256 = await fill(part);
      require(sha256);
      await rename(part, join(folder, sha256));
      return sha256;
    } finally {
      await rm(part, { force: true });
    }
  }

  async function fetchOnce({ url, sha256 }: ImageContent, { progress }: OpenOptions): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs);
    const from = String(url);
    try {
      await keep(
        (part) => download(from, part, { progress, signal }),
        (found) => {
          if (found !== sha256) throw wrongContent(from);
        },
      );
    } catch (error) {
      throw error instanceof OperatorError ? error : notFetched(from, error);
    }
  }

  /** The content of the disk of a VM, which is read where it is not here; what was read first is what it stays. */
  async function readOnce(image: Image, { progress, openSource }: OpenOptions): Promise<ImageContent> {
    const { content } = asRead(image, memory.known);
    if (content !== undefined && (await isThere(join(folder, content.sha256)))) return content;
    const { sourceVm } = image;
    if (sourceVm === undefined) throw new Error(`image ${image.name} is the disk of no VM`);
    const disk = await openSource(sourceVm);
    const meter = createMeter(
      `reading the disk of VM ${sourceVm.name} on ${sourceVm.host}`,
      disk.bytes,
      progress,
    );
    const sha256 = await keep(
      async (part) => {
        const written = await writeSparse(part, metered(disk.content(), meter), MAX_BYTES);
        await disk.requireUnchanged();
        const what = `the disk of VM ${sourceVm.name} on ${sourceVm.host}`;
        await requireFormat(part, { what, format: disk.format, by: 'by the definition of that VM' });
        return written;
      },
      (found) => {
        if (content !== undefined && found !== content.sha256) throw changedSource(image, memory.known);
      },
    );
    const key = sourceKey(image);
    if (content !== undefined || key === undefined) return { format: disk.format, ...content, sha256 };
    await memory.remember(key, { sha256, format: disk.format, at: new Date().toISOString() });
    return { sha256, format: disk.format };
  }

  async function contentOf(image: Image, options: OpenOptions): Promise<ImageContent> {
    const { content, sourceVm } = image;
    if (sourceVm !== undefined) return readOnce(image, options);
    if (content === undefined) throw new Error(`image ${image.name} is not one that is brought`);
    if (content.url !== undefined && !(await isThere(join(folder, content.sha256))))
      await fetchOnce(content, options);
    return content;
  }

  async function check(path: string, { sha256 }: ImageContent, progress: (message: string) => void) {
    const found = await stat(path).catch((error: unknown) => {
      throw missing(`${path} cannot be read: ${errorMessage(error)}`, error);
    });
    if (!found.isFile()) throw missing(`${path} is no file`);
    const version = [found.ino, found.size, found.mtimeMs, sha256].join();
    if (checked.get(path) !== version) {
      progress(`checking ${path}`);
      if ((await hashFile(path)) !== sha256) throw wrongContent(path);
      checked.set(path, version);
    }
    return { path, bytes: found.size };
  }

  return {
    sources: memory.known,
    keepNamed: (desired) =>
      oneAtATime(() => {
        const images = imagesOf(withReadSources(desired, memory.known));
        return dropFiles(folder, new Set(images.flatMap(({ content }) => content?.sha256 ?? [])));
      }),
    sizeOf: ({ file, sha256 }) => readSize(file ?? join(folder, sha256)),
    open: (image, options) =>
      oneAtATime(async () => {
        const content = await contentOf(image, options);
        const path = content.file ?? join(folder, content.sha256);
        const file = await check(path, content, options.progress);
        await requireFormat(path, { what: path, format: content.format, by: 'in git' });
        return { ...file, image: { ...withContent(image, content), content } };
      }),
  };
}

async function download(
  url: string,
  into: string,
  { progress, signal }: { readonly progress: (message: string) => void; readonly signal: AbortSignal },
): Promise<string> {
  progress(`fetching ${url}`);
  const response = await fetch(url, { signal });
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
  const hash = createHash('sha256');
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(bytes > MAX_BYTES ? new Error(`it is larger than ${MAX_BYTES} bytes`) : null, chunk);
    },
  });
  await pipeline(
    Readable.fromWeb(response.body),
    meter,
    createWriteStream(into, { mode: 0o600, flush: true }),
    { signal },
  );
  return hash.digest('hex');
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 ** 2 })) hash.update(chunk);
  return hash.digest('hex');
}

/** An image that reads another file would read whatever lies there on the host. */
async function requireFormat(
  path: string,
  { what, format, by }: Pick<ImageContent, 'format'> & { readonly what: string; readonly by: string },
): Promise<void> {
  const header = await readDiskHeader(path);
  if (header.format !== format) throw missing(`${what} is ${header.format}, and ${format} ${by}`);
  if (header.needs !== undefined)
    throw missing(`${what} needs ${header.needs}: flatten it with qemu-img convert`);
}

async function isThere(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    // Not there, or not to be read: then it is fetched, and that says why.
    return false;
  }
}

function missing(message: string, cause?: unknown): OperatorError {
  return new OperatorError('E_IMAGE_MISSING', message, { cause });
}

function wrongContent(what: string): OperatorError {
  return missing(
    `${what} does not have the sha256 that git names: compare \`sha256sum\` of the file you mean`,
  );
}

function changedSource({ name, sourceVm, content }: Image, read: ReadSources): OperatorError {
  const disk = `the disk of VM ${sourceVm?.name} on ${sourceVm?.host}`;
  if (content !== undefined)
    return missing(`${disk} does not have the sha256 that git names: compare \`sha256sum\` of it`);
  const at = read.get(sourceKey({ name, volume: '', pool: '', ...(sourceVm && { sourceVm }) }) ?? '')?.at;
  return missing(
    `image ${name} is ${disk} as it was at ${at}: it has changed since, and the operator's copy is gone. Give the image another name in git to have the disk read anew`,
  );
}

function notFetched(url: string, error: unknown): OperatorError {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return missing(`${url} cannot be fetched: ${errorMessage(error)}${cause}`, error);
}
