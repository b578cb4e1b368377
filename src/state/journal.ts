import { appendFile, type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Report } from '../core/report.ts';
import type { Journal } from '../ports.ts';

export interface JournalOptions {
  readonly log?: Pick<Logger, 'warn'>;
  /** For a command beside a running operator: nothing is made, mended or appended. */
  readonly readOnly?: boolean;
}

export interface OpenJournal extends Journal {
  /** Every commit that has a report, in the order of their first ones. */
  commits(): Promise<readonly string[]>;
  /** The last reports, newest first. */
  recent(limit: number): Promise<readonly Report[]>;
  /** The newest report of each of the last commits that have one, newest first. */
  latest(commits: number): Promise<readonly Report[]>;
  close(): Promise<void>;
}

/** Where a report stands in the file. */
interface Entry {
  readonly sha: string;
  readonly offset: number;
  readonly length: number;
}

interface State {
  readonly file: FileHandle | undefined;
  readonly entries: Entry[];
  readonly bySha: Map<string, Entry[]>;
  /** End of the last complete line. */
  size: number;
  /** Appends wait for each other. */
  tail: Promise<unknown>;
}

/**
 * Opens `<dir>/journal.jsonl`, one report a line, and makes it where it is missing. A last line that a crash cut off is
 * moved to `journal.jsonl.torn` with a warning; earlier lines are never touched.
 */
export async function openJournal(dir: string, options: JournalOptions = {}): Promise<OpenJournal> {
  const path = join(dir, 'journal.jsonl');
  const file = options.readOnly ? await openForReading(path) : await openForWriting(dir, path);
  const state: State = { file, entries: [], bySha: new Map(), size: 0, tail: Promise.resolve() };
  if (file !== undefined) {
    const torn = await index(state, file, options);
    if (torn.length > 0 && !options.readOnly) await mend(path, state, torn, options.log);
  }
  return {
    append: (report) => {
      const done = state.tail.then(() => append(state, report, options));
      state.tail = done.catch(() => undefined);
      return done;
    },
    of: (sha) => readAll(state, state.bySha.get(sha) ?? []),
    latestOf: async (sha) => (await readAll(state, (state.bySha.get(sha) ?? []).slice(-1)))[0],
    commits: async () => [...state.bySha.keys()],
    last: async () => (await readAll(state, state.entries.slice(-1)))[0],
    lastApplied: () => findLastApplied(state),
    recent: async (limit) =>
      (await readAll(state, limit > 0 ? state.entries.slice(-limit) : [])).toReversed(),
    latest: (commits) => readAll(state, latestEntries(state, commits)),
    close: async () => {
      await state.tail;
      await file?.close();
    },
  };
}

async function openForWriting(dir: string, path: string): Promise<FileHandle> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const file = await open(path, 'a+', 0o600);
  await syncFolder(dir);
  return file;
}

async function openForReading(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A new file is only there after a power cut when its folder is synced too. */
async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Notes where each report stands; gives what follows the last complete line. */
async function index(state: State, file: FileHandle, options: JournalOptions): Promise<Buffer> {
  let rest = Buffer.alloc(0);
  for await (const chunk of file.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 })) {
    rest = Buffer.concat([rest, chunk]);
    let end = rest.indexOf(0x0a);
    let start = 0;
    for (; end >= 0; end = rest.indexOf(0x0a, start)) {
      addLine(state, rest.subarray(start, end), options);
      start = end + 1;
    }
    rest = rest.subarray(start);
  }
  return rest;
}

function addLine(state: State, line: Buffer, { log }: JournalOptions): void {
  const offset = state.size;
  state.size += line.length + 1;
  const report = parseReport(line);
  if (report === undefined) {
    log?.warn({ offset }, 'a line of the journal cannot be read and is passed over');
    return;
  }
  addEntry(state, { sha: report.revision.sha, offset, length: line.length });
}

function addEntry(state: State, entry: Entry): void {
  state.entries.push(entry);
  const same = state.bySha.get(entry.sha);
  if (same === undefined) state.bySha.set(entry.sha, [entry]);
  else same.push(entry);
}

/** A line that lacks nothing but its end is kept; half a line is moved aside. */
async function mend(path: string, state: State, torn: Buffer, log: JournalOptions['log']): Promise<void> {
  const { file } = state;
  const report = parseReport(torn);
  if (report !== undefined) {
    await file?.appendFile('\n');
    addEntry(state, { sha: report.revision.sha, offset: state.size, length: torn.length });
    state.size += torn.length + 1;
  } else {
    const aside = `${path}.torn`;
    await appendFile(aside, Buffer.concat([torn, Buffer.from('\n')]), { mode: 0o600, flush: true });
    await file?.truncate(state.size);
    log?.warn({ bytes: torn.length, aside }, 'the last line of the journal was cut off and is moved aside');
  }
  await file?.sync();
}

async function append(state: State, report: Report, { readOnly }: JournalOptions): Promise<void> {
  const { file } = state;
  if (file === undefined || readOnly) throw new Error('this journal is open for reading only');
  const line = Buffer.from(`${JSON.stringify(report)}\n`);
  try {
    await file.appendFile(line);
    await file.sync();
  } catch (error) {
    // Half a line must not stand before the next one. If this fails too, opening it again mends it.
    await file.truncate(state.size).catch(() => undefined);
    throw error;
  }
  addEntry(state, { sha: report.revision.sha, offset: state.size, length: line.length - 1 });
  state.size += line.length;
}

async function readAll({ file }: State, entries: readonly Entry[]): Promise<readonly Report[]> {
  if (file === undefined) return [];
  const reports = await Promise.all(
    entries.map(async ({ offset, length }) => {
      const { buffer } = await file.read(Buffer.alloc(length), 0, length, offset);
      return parseReport(buffer);
    }),
  );
  return reports.filter((report) => report !== undefined);
}

/** Backwards: in a journal that has one it is among the last lines. */
async function findLastApplied(state: State): Promise<Report | undefined> {
  for (const entry of state.entries.toReversed()) {
    const [report] = await readAll(state, [entry]);
    if (report?.status === 'applied' || report?.status === 'partial') return report;
  }
  return undefined;
}

function latestEntries({ entries }: State, commits: number): readonly Entry[] {
  const found = new Map<string, Entry>();
  for (let at = entries.length - 1; at >= 0 && found.size < commits; at--) {
    const entry = entries[at];
    if (entry !== undefined && !found.has(entry.sha)) found.set(entry.sha, entry);
  }
  return [...found.values()];
}

/** The parse boundary: what stands in the journal was written by us, or is damaged. */
function parseReport(line: Buffer): Report | undefined {
  try {
    const value: unknown = JSON.parse(line.toString());
    return isReport(value) ? value : undefined;
  } catch {
    // Damaged: the caller says so.
    return undefined;
  }
}

function isReport(value: unknown): value is Report {
  if (typeof value !== 'object' || value === null || !('revision' in value) || !('v' in value)) return false;
  const { v, revision } = value;
  return (
    v === 1 &&
    typeof revision === 'object' &&
    revision !== null &&
    'sha' in revision &&
    typeof revision.sha === 'string'
  );
}
