import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from './wait.ts';

/** A process for good: its number may be given to another one, its start time not. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since the machine's boot, as /proc/PID/stat has it. */
  readonly startTime: string;
}

/** The running process of that number; undefined: there is none, or it is only waiting to be reaped. */
export function processId(pid: number): ProcessId | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined; // No such process.
  }
}

/** Reads a line of /proc/PID/stat: the number before the name in brackets, the state and the start time after it. */
function parseStat(stat: string): ProcessId | undefined {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const pid = Number.parseInt(stat, 10);
  const [state, startTime] = [fields[0], fields[19]];
  if (!Number.isInteger(pid) || startTime === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, startTime };
}

export function isAlive(id: ProcessId): boolean {
  return processId(id.pid)?.startTime === id.startTime;
}

/** Notes a process in a lab's folder, so that whoever cleans up finds it. */
export function recordProcess(folder: string, name: string, pid: number): void {
  writeFileSync(join(folder, name), readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** The process noted under that name, if it still runs. */
export function recordedProcess(folder: string, name: string): ProcessId | undefined {
  try {
    const id = parseStat(readFileSync(join(folder, name), 'utf8'));
    return id !== undefined && isAlive(id) ? id : undefined;
  } catch {
    return undefined; // Never noted.
  }
}

/** Kills the process noted under that name, if it is still that one, and waits until it is gone. */
export async function killRecorded(folder: string, name: string): Promise<void> {
  const id = recordedProcess(folder, name);
  if (id !== undefined) {
    signal(id.pid);
    await waitFor(`the end of ${name} (process ${id.pid})`, () => !isAlive(id), {
      timeoutMs: 30_000,
      intervalMs: 10,
    });
  }
  rmSync(join(folder, name), { force: true });
}

/** Kills all that is noted in the folder. */
export async function killAllRecorded(folder: string): Promise<void> {
  await Promise.all(namesIn(folder).map((name) => killRecorded(folder, name)));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return []; // The lab's folder is gone already.
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended just now.
  }
}
