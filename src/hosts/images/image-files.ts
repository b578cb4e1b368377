import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import type { ImageContent } from '../../core/desired.ts';
import type { ImageSize } from '../../core/observed.ts';
import { errorMessage, OperatorError } from '../../errors.ts';
import { readDiskHeader } from './disk-format.ts';
import { sizeReader } from './image-size.ts';

/** No more is fetched for one image: the state folder holds the journal too. */
const MAX_BYTES = 64 * 1024 ** 3;

/** A file on this machine whose content is the one that git names. */
export interface ImageFile {
  readonly path: string;
  readonly bytes: number;
}

/** The operator's own copies of image files. */
export interface ImageFiles {
  /** Fetches what is not here yet, checks it, and says where it is. E_IMAGE_MISSING where it is not what git names. */
  open(content: ImageContent, progress: (message: string) => void): Promise<ImageFile>;
  /** How large it is; undefined where it is not here, or not to be read. */
  sizeOf(content: ImageContent): Promise<ImageSize | undefined>;
}

/**
 * Files that are named by path are read where they are; those behind a URL are kept in `<state>/images`, each under the
 * sha256 of its content. No message says which sha256 a file has instead of the wanted one: a commit could otherwise
 * learn it, name it, and have any file of this machine or its network copied into a VM.
 */
export function openImageFiles(stateDir: string, timeoutMs: number): ImageFiles {
  const folder = join(stateDir, 'images');
  const checked = new Map<string, string>();
  const oneAtATime = pLimit(1);
  const readSize = sizeReader();

  async function fetchOnce(
    { url, sha256 }: ImageContent,
    progress: (message: string) => void,
  ): Promise<string> {
    const path = join(folder, sha256);
    if ((await sizeOf(path)) !== undefined) return path;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const part = `${path}.${randomUUID()}.part`;
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const found = await download(String(url), part, { progress, signal });
      if (found !== sha256) throw wrongContent(String(url));
      await rename(part, path);
    } catch (error) {
      throw error instanceof OperatorError ? error : notFetched(String(url), error);
    } finally {
      await rm(part, { force: true });
    }
    return path;
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
    sizeOf: ({ file, sha256 }) => readSize(file ?? join(folder, sha256)),
    open: (content, progress) =>
      oneAtATime(async () => {
        const path = content.url === undefined ? String(content.file) : await fetchOnce(content, progress);
        const file = await check(path, content, progress);
        await requireFormat(path, content);
        return file;
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
async function requireFormat(path: string, { format }: ImageContent): Promise<void> {
  const header = await readDiskHeader(path);
  if (header.format !== format)
    throw missing(`${path} is ${header.format}, and its format is ${format} in git`);
  if (header.needs !== undefined)
    throw missing(`${path} needs ${header.needs}: flatten it with qemu-img convert`);
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    // Not there, or not to be read: then it is fetched, and that says why.
    return undefined;
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

function notFetched(url: string, error: unknown): OperatorError {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return missing(`${url} cannot be fetched: ${errorMessage(error)}${cause}`, error);
}
