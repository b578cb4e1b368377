import { OperatorError } from '../../errors.ts';
import { type Extent, isHole, lengthOf } from '../../libvirt/byte-stream.ts';
import { createContentHash, hashOfPieces } from './content-hash.ts';
import { type CopyProgress, createMeter } from './progress.ts';
import type { RateLimit } from './rate-limit.ts';
import {
  type CopySource,
  type CopyTarget,
  openSource,
  openTarget,
  type Span,
  STREAM_STEP_MS,
  type VolumeEnd,
  withOwnConnections,
} from './volume-end.ts';

export interface CopyOptions {
  /** Path of the base image on the target, where the volume is a qcow2 overlay; it is written into the copy's header. */
  readonly backingFile?: string;
  readonly onProgress?: (progress: CopyProgress) => void;
  readonly limit?: RateLimit;
  readonly signal?: AbortSignal;
  /** What is hashed, and sent again, at once: a multiple of 4 KiB; 64 MiB unless given. */
  readonly pieceBytes?: number;
}

const PIECE_BYTES = 64 * 1024 ** 2;
const ZEROS = Buffer.alloc(256 * 1024);

interface Copy {
  readonly source: CopySource;
  readonly target: CopyTarget;
  readonly pieceBytes: number;
  readonly options: CopyOptions;
  /** Of the source's pieces, by their number, as far as they were read. */
  readonly hashes: Map<number, string>;
}

/**
 * Makes `to` a verified copy of `from`; goes on where an earlier try was cut: what has come before its last full piece is
 * not sent again. The source must not be in use. The sha256 is one over the content in pieces, equal for equal content
 * wherever its holes are; it is not that of `sha256sum`.
 */
export async function copyVolume(
  from: VolumeEnd,
  to: VolumeEnd,
  options: CopyOptions = {},
): Promise<{ bytes: number; sha256: string }> {
  return withOwnConnections(from, to, {
    signal: options.signal,
    work: (ownFrom, ownTo) => copyBetween(ownFrom, ownTo, options),
  });
}

async function copyBetween(
  from: VolumeEnd,
  to: VolumeEnd,
  options: CopyOptions,
): Promise<{ bytes: number; sha256: string }> {
  const source = await openSource(from, options.backingFile);
  const target = await openTarget(to);
  const { pieceBytes = PIECE_BYTES } = options;
  const copy: Copy = { source, target, pieceBytes, options, hashes: new Map() };
  await sendMissing(copy);
  await check(copy);
  await source.requireUnchanged();
  await target.refresh();
  const pieces = numbersUpTo(Math.ceil(source.bytes / pieceBytes));
  return {
    bytes: source.bytes,
    sha256: hashOfPieces(
      source.bytes,
      pieces.map((piece) => copy.hashes.get(piece) ?? ''),
    ),
  };
}

/** The length of the target says how far an earlier try came. */
async function sendMissing(copy: Copy): Promise<void> {
  const { source, target, pieceBytes, options } = copy;
  const there = await target.bytes();
  if (there === source.bytes) return;
  const fromBytes = Math.floor(Math.min(there, source.bytes) / pieceBytes) * pieceBytes;
  // What is left of a piece would show through the holes of the new one.
  if (there > fromBytes) await cutOff(target, fromBytes);
  const span = { fromBytes, toBytes: source.bytes };
  const { signal, onProgress = () => {} } = options;
  const meter = createMeter('copying', { doneBytes: fromBytes, totalBytes: source.bytes }, onProgress);
  const extents = watched(copy, source.extents(span, signal), meter);
  const range = { volume: target.volume, offsetBytes: fromBytes, lengthBytes: 0 };
  await target.volumes.uploadSparse(range, hashed(copy, span, extents), {
    signal,
    timeoutMs: STREAM_STEP_MS,
  });
}

/** A file ends where a hole does. Only a hole of no length is not possible, so that one byte may stay. */
async function cutOff({ volumes, volume }: CopyTarget, lengthBytes: number): Promise<void> {
  const offsetBytes = Math.max(0, lengthBytes - 1);
  await volumes.uploadSparse({ volume, offsetBytes, lengthBytes: 0 }, [{ holeBytes: 1 }]);
}

/** Reads the whole of the copy back, and sends the pieces that are not right once more. */
async function check(copy: Copy): Promise<void> {
  const { source, target, pieceBytes } = copy;
  await requireLength(copy);
  const all = { fromBytes: 0, toBytes: source.bytes };
  const theirs = await compareAll(copy, all);
  const wrong = numbersUpTo(Math.ceil(source.bytes / pieceBytes)).filter(
    (piece) => theirs.get(piece) !== copy.hashes.get(piece),
  );
  for (const piece of wrong) {
    const span = spanOf(copy, piece);
    await sendAgain(copy, span);
    const again = await hashesIn(copy, span, target.extents(span, copy.options.signal));
    if (again.get(piece) === copy.hashes.get(piece)) continue;
    throw new OperatorError(
      'E_COPY',
      `${target.label} does not hold what was written to it: its bytes ${span.fromBytes} to ${span.toBytes} differ`,
    );
  }
  await requireLength(copy);
}

/** The hashes of the target's pieces. Those of the source that are not known yet are read at the same time. */
async function compareAll(copy: Copy, all: Span): Promise<ReadonlyMap<number, string>> {
  const { source, target, hashes, options } = copy;
  const failed = new AbortController();
  const signal =
    options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const known = Math.min(...hashes.keys(), Number.POSITIVE_INFINITY);
  const unknown = { fromBytes: 0, toBytes: Math.min(known * copy.pieceBytes, source.bytes) };
  const meter = createMeter(
    'checking',
    { doneBytes: 0, totalBytes: source.bytes },
    options.onProgress ?? (() => {}),
  );
  try {
    const [theirs, ours] = await Promise.all([
      hashesIn(copy, all, watched(copy, target.extents(all, signal), meter)),
      hashesIn(copy, unknown, source.extents(unknown, signal)),
    ]);
    for (const [piece, sha256] of ours) hashes.set(piece, sha256);
    return theirs;
  } catch (error) {
    failed.abort(error);
    throw error;
  }
}

/** Holes go as zeros: the target has something in their place. */
async function sendAgain({ source, target, options }: Copy, span: Span): Promise<void> {
  const range = { volume: target.volume, offsetBytes: span.fromBytes, lengthBytes: 0 };
  const extents = withoutHoles(source.extents(span, options.signal));
  await target.volumes.upload(range, extents, { signal: options.signal, timeoutMs: STREAM_STEP_MS });
}

async function requireLength({ source, target }: Copy): Promise<void> {
  const bytes = await target.bytes();
  if (bytes === source.bytes) return;
  const what = `${target.label} has ${bytes} bytes after it was copied, and not ${source.bytes}`;
  throw new OperatorError('E_COPY', what);
}

/** Keeps to the limit and counts, on the way. */
async function* watched(
  { options: { limit, signal } }: Copy,
  extents: AsyncIterable<Extent>,
  meter: (bytes: number) => void,
): AsyncGenerator<Extent> {
  for await (const extent of extents) {
    if (!isHole(extent)) await limit?.take(extent.length, signal);
    yield extent;
    meter(lengthOf(extent));
  }
}

/** Hashes what passes by, as the source's. */
async function* hashed(
  copy: Copy,
  { fromBytes }: Span,
  extents: AsyncIterable<Extent>,
): AsyncGenerator<Extent> {
  let piece = fromBytes / copy.pieceBytes;
  const hash = createContentHash(copy.pieceBytes, (sha256) => copy.hashes.set(piece++, sha256));
  for await (const extent of extents) {
    hash.add(extent);
    yield extent;
  }
  hash.end();
}

async function hashesIn(
  { pieceBytes }: Copy,
  { fromBytes }: Span,
  extents: AsyncIterable<Extent>,
): Promise<ReadonlyMap<number, string>> {
  const found = new Map<number, string>();
  let piece = fromBytes / pieceBytes;
  const hash = createContentHash(pieceBytes, (sha256) => found.set(piece++, sha256));
  for await (const extent of extents) hash.add(extent);
  hash.end();
  return found;
}

async function* withoutHoles(extents: AsyncIterable<Extent>): AsyncGenerator<Buffer> {
  for await (const extent of extents) {
    if (!isHole(extent)) yield extent;
    else
      for (let left = extent.holeBytes; left > 0; left -= ZEROS.length)
        yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
  }
}

function spanOf({ source, pieceBytes }: Copy, piece: number): Span {
  const fromBytes = piece * pieceBytes;
  return { fromBytes, toBytes: Math.min(fromBytes + pieceBytes, source.bytes) };
}

function numbersUpTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, number) => number);
}
