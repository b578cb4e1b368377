import { link, mkdir, readFile, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errorMessage, OperatorError } from '../errors.ts';

/** Held until it is released, or its process is gone. */
export interface StateLock {
  release(): Promise<void>;
}

/** Who holds the lock, precisely enough to tell a living process from another one with its number. */
interface Holder {
  readonly pid: number;
  /** When the process started, in the kernel's own count; absent where the system has no /proc. */
  readonly started?: string;
  /** One boot of one machine. */
  readonly boot?: string;
  /** Containers count their processes apart. */
  readonly pidNamespace?: string;
  readonly host: string;
}

/** Shows that a holder lives whose processes cannot be seen from here. */
const HEARTBEAT_MS = 10_000;
const SILENT_MS = 60_000;
const TAKEOVER_MS = 10_000;

/** One operator for a state folder. Throws E_STATE_LOCKED, naming who holds it; what a dead process left is taken over. */
export async function lockState(dir: string): Promise<StateLock> {
  const path = join(dir, 'operator.lock');
  const mine = JSON.stringify(await describeSelf());
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    if (!(await create(path, mine))) await takeOver(path, mine);
  } catch (cause) {
    if (cause instanceof OperatorError) throw cause;
    const message = `state: the folder ${dir} cannot be written: ${errorMessage(cause)}`;
    throw new OperatorError('E_CONFIG_INVALID', message, { cause });
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    // The folder may be away for a moment; the next beat tries again.
    utimes(path, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  heartbeat.unref();
  return {
    release: async () => {
      clearInterval(heartbeat);
      if ((await readFile(path, 'utf8').catch(() => '')) === mine) await rm(path, { force: true });
    },
  };
}

/** By a link to a complete file: nobody ever reads half of it, and only one wins. */
async function create(path: string, content: string): Promise<boolean> {
  const draft = `${path}.${process.pid}.${process.hrtime.bigint()}`;
  await writeFile(draft, content, { flag: 'wx', mode: 0o600, flush: true });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Under a second lock, so that of two newcomers the slower cannot remove the lock of the quicker. */
async function takeOver(path: string, mine: string): Promise<void> {
  const guard = `${path}.takeover`;
  if (await isOlder(guard, TAKEOVER_MS)) await rm(guard, { force: true });
  if (!(await create(guard, mine))) throw locked(path, 'another one that starts just now');
  try {
    const holder = await livingHolder(path);
    if (holder !== undefined) throw locked(path, holder);
    await rm(path, { force: true });
    if (!(await create(path, mine))) throw locked(path, 'another one that starts just now');
  } finally {
    await rm(guard, { force: true });
  }
}

function locked(path: string, holder: string): OperatorError {
  return new OperatorError(
    'E_STATE_LOCKED',
    `the state folder is in use by ${holder} (${path}): stop it first`,
  );
}

/** `process 123`, or undefined where the holder is gone. */
async function livingHolder(path: string): Promise<string | undefined> {
  const holder = parseHolder(await readFile(path, 'utf8').catch(() => ''));
  if (holder === undefined) return undefined;
  const self = await describeSelf();
  const name = `process ${holder.pid}${holder.host === self.host ? '' : ` on ${holder.host}`}`;
  if (holder.boot === self.boot && holder.pidNamespace === self.pidNamespace) {
    return (await isAlive(holder)) ? name : undefined;
  }
  // This machine has booted since: nothing of that time lives.
  if (holder.host === self.host && holder.boot !== self.boot) return undefined;
  return (await isOlder(path, SILENT_MS)) ? undefined : name;
}

async function isAlive({ pid, started }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, under another user.
    if (!hasCode(error, 'EPERM')) return false;
  }
  const now = await startOf(pid);
  return started === undefined || now === undefined || now === started;
}

async function describeSelf(): Promise<Holder> {
  const [started, boot, pidNamespace] = await Promise.all([
    startOf(process.pid),
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').then((text) => text.trim(), absent),
    readlink('/proc/self/ns/pid').catch(absent),
  ]);
  return {
    pid: process.pid,
    host: hostname(),
    ...(started === undefined ? {} : { started }),
    ...(boot === undefined ? {} : { boot }),
    ...(pidNamespace === undefined ? {} : { pidNamespace }),
  };
}

/** Field 22 of /proc/PID/stat; the name in field 2 may hold spaces and brackets. */
async function startOf(pid: number): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(absent);
  return line?.slice(line.lastIndexOf(')') + 2).split(' ')[19];
}

function absent(): undefined {
  return undefined;
}

async function isOlder(path: string, ageMs: number): Promise<boolean> {
  const file = await stat(path).catch(absent);
  return file !== undefined && Date.now() - file.mtimeMs > ageMs;
}

/** Undefined for a file that is gone, or that nobody of ours wrote. */
function parseHolder(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isHolder(value) ? value : undefined;
  } catch {
    // The lock was released, or is no lock: it holds nobody off.
    return undefined;
  }
}

function isHolder(value: unknown): value is Holder {
  if (typeof value !== 'object' || value === null) return false;
  return 'pid' in value && Number.isSafeInteger(value.pid) && Number(value.pid) > 0 && 'host' in value;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
