import { randomUUID } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { isAlive, type ProcessId, processId } from './processes.ts';

/** Where every lab of this machine is known. */
const CLAIMS = '/run/kvm-gitops-lab';
const HIGHEST = 250;

/** A number that one lab has for itself: its subnet is 10.77.NUMBER.0/24 and its interfaces begin with `kglNUMBER`. */
export interface Claim {
  readonly number: number;
  /** The lab's folder. */
  readonly dir: string;
  /** The folder was made for this lab and goes with it. */
  readonly temporary: boolean;
  readonly hosts: readonly string[];
  /** The lab lives as long as this process; absent: until it is taken down. */
  readonly owner?: ProcessId;
  readonly bootId: string;
}

export type ClaimRequest = Pick<Claim, 'dir' | 'temporary' | 'hosts'> & { readonly keep: boolean };

/** Takes the lowest free number. Atomic: two processes never get the same one. */
export function claimNumber({ keep, ...request }: ClaimRequest): Claim {
  mkdirSync(CLAIMS, { recursive: true });
  const owner = keep ? undefined : processId(process.pid);
  for (let number = 1; number <= HIGHEST; number++) {
    if (isTaken(number)) continue;
    const claim = { ...request, number, bootId: bootId(), ...(owner === undefined ? {} : { owner }) };
    if (writeNew(claim)) return claim;
  }
  throw new Error(`all ${HIGHEST} labs of this machine are in use; see ${CLAIMS}`);
}

function isTaken(number: number): boolean {
  const addresses = Object.values(networkInterfaces()).flatMap((of) => of ?? []);
  return (
    claimFiles().some((file) => file.startsWith(`${number}.`)) ||
    existsSync(`/sys/class/net/kgl${number}`) ||
    addresses.some(({ address }) => address.startsWith(`10.77.${number}.`))
  );
}

/** A claim appears complete or not at all: link() refuses an existing name. */
function writeNew(claim: Claim): boolean {
  const draft = join(CLAIMS, `draft-${randomUUID()}`);
  writeFileSync(draft, JSON.stringify(claim));
  try {
    linkSync(draft, join(CLAIMS, `${claim.number}.json`));
    return true;
  } catch {
    return false; // Another process was faster.
  } finally {
    rmSync(draft, { force: true });
  }
}

export function releaseNumber(number: number): void {
  for (const file of claimFiles().filter((name) => name.startsWith(`${number}.`)))
    rmSync(join(CLAIMS, file), { force: true });
}

/** The claims of all labs that are not being cleaned up. */
export function claims(): readonly Claim[] {
  return claimFiles()
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => readClaim(file) ?? []);
}

/**
 * Takes over every lab whose owner is gone, to be cleaned up and released by the caller.
 * A claim is taken by renaming its file, so of several processes one gets it, and its number stays taken meanwhile.
 */
export function takeStaleClaims(): readonly Claim[] {
  const self = processId(process.pid);
  return claimFiles().flatMap((file) => {
    const claim = readClaim(file);
    if (claim === undefined || !isStale(file, claim)) return [];
    try {
      renameSync(join(CLAIMS, file), join(CLAIMS, `${claim.number}.${self?.pid}.${self?.startTime}`));
      return [claim];
    } catch {
      return []; // Another process has it.
    }
  });
}

function isStale(file: string, claim: Claim): boolean {
  if (claim.bootId !== bootId()) return true;
  const [, pid = '', startTime = ''] = file.split('.');
  if (pid !== 'json') return !isAlive({ pid: Number(pid), startTime });
  return claim.owner !== undefined && !isAlive(claim.owner);
}

function claimFiles(): readonly string[] {
  return existsSync(CLAIMS) ? readdirSync(CLAIMS).filter((file) => /^\d+\./.test(file)) : [];
}

function readClaim(file: string): Claim | undefined {
  try {
    const claim: Claim = JSON.parse(readFileSync(join(CLAIMS, file), 'utf8'));
    return claim;
  } catch {
    return undefined; // Released just now.
  }
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
