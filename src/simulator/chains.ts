import { attribute, elementAt, elementsAt, textAt } from '../core/xml.ts';
import { SNAPSHOT_FLAGS } from '../libvirt/chains.ts';
import { chainOf, sourcesOf, withSources } from './disk-sources.ts';
import type { Domain, Run } from './domain.ts';
import {
  allowFlags,
  CODES,
  internalError,
  invalidArgument,
  LibvirtFailure,
  operationFailed,
  wrongState,
} from './failure.ts';
import { requireAgent, whileFrozen } from './guest-agent.ts';
import type { Storage } from './storage.ts';
import { dataOf, withData } from './volumes.ts';
import { parseRoot } from './xml-document.ts';

/** virDomainBlockCommitFlags and virDomainBlockJobAbortFlags. */
const COMMIT = { active: 4 } as const;
const PIVOT = 2;

interface ChainCall {
  readonly domain: Domain;
  readonly storage: Storage;
}

/** Takes a snapshot: of a running domain's disks in files that are there, or one that only libvirt's record knows of. */
export function takeSnapshot({ domain, storage }: ChainCall, xml: string, flags: number): string {
  allowFlags(flags, 0x3ff, 'qemu', 'qemuSnapshotCreateXML');
  const root = parseRoot(xml, {
    root: 'domainsnapshot',
    what: 'domain_snapshot_definition',
    origin: 'snapshot',
  });
  const name = textAt(root, 'name') ?? '1795553367';
  const has = (flag: keyof typeof SNAPSHOT_FLAGS) => (flags & SNAPSHOT_FLAGS[flag]) !== 0;
  if (!has('noMetadata') && domain.snapshots.includes(name))
    throw operationFailed('snapshot', `domain snapshot ${name} already exists`);
  if (has('diskOnly')) switchFiles({ domain, storage }, newFiles(root), has('quiesce'));
  if (!has('noMetadata')) domain.snapshots = [...domain.snapshots, name];
  return name;
}

type NewFile = { readonly target: string; readonly file: string };

function newFiles(root: Parameters<typeof elementAt>[0]): readonly NewFile[] {
  return elementsAt(root, 'disks', 'disk').flatMap((disk) => {
    const file = attribute(elementAt(disk, 'source'), 'file');
    return file === undefined ? [] : [{ target: attribute(disk, 'name') ?? '', file }];
  });
}

/** All of them or none. */
function switchFiles({ domain, storage }: ChainCall, files: readonly NewFile[], quiesce: boolean): void {
  const run = runOf(domain);
  for (const { target } of files) requireNoJob(run, target);
  for (const { target, file } of files) {
    if (storage.file(file) !== undefined) continue;
    const what = `missing existing file for disk ${target}: ${file}: No such file or directory`;
    throw new LibvirtFailure(CODES.SYSTEM_ERROR, 'qemu', what);
  }
  if (!quiesce) return goOnIn(domain, run, files);
  requireAgent(domain);
  whileFrozen(domain, () => goOnIn(domain, run, files));
}

function goOnIn(domain: Domain, run: Run, files: readonly NewFile[]): void {
  if (files.some(({ file }) => run.definition.disks.some((disk) => disk.file === file)))
    throw internalError(
      'qemu',
      `unable to execute QEMU command 'blockdev-add': Failed to get "write" lock\nIs another process using the image?`,
    );
  for (const { target, file } of files) {
    const before = sourcesOf(domain.config ?? run.definition, target);
    setFiles(domain, run, target, [file, ...before]);
  }
}

/** Moves what `top` holds into `base`: at once, but what the guest writes to stays so until the pivot. */
export function commit(
  { domain, storage }: ChainCall,
  range: { readonly disk: string; readonly base: string | undefined; readonly top: string | undefined },
  flags: number,
): void {
  const run = runOf(domain, 'domain');
  const { disk: target } = range;
  requireNoJob(run, target);
  const active = fileOf(run, target);
  const chain = chainOf(storage, active);
  const top = range.top ?? active;
  const base = range.base ?? chain.at(-1) ?? '';
  for (const file of [top, base]) {
    if (chain.includes(file)) continue;
    throw invalidArgument(
      'storage',
      `invalid argument: could not find image '${file}' in chain for '${target}'`,
    );
  }
  const wantsActive = (flags & COMMIT.active) !== 0;
  if (top === active && !wantsActive) {
    const what = `commit of '${target}' active layer requires active flag`;
    throw invalidArgument('qemu', `invalid argument: ${what}`);
  }
  if (top !== active && wantsActive) {
    const what = `active commit requested but '${top}' is not active`;
    throw invalidArgument('qemu', `invalid argument: ${what}`);
  }
  moveData(storage, chain.slice(chain.indexOf(top), chain.indexOf(base) + 1));
  if (wantsActive) {
    run.commits.set(target, { base, top });
    return;
  }
  const child = chain[chain.indexOf(top) - 1];
  const file = child === undefined ? undefined : storage.file(child);
  if (child === undefined || file === undefined) return;
  storage.putFile(child, { ...file, backing: { path: base, format: 'qcow2' } });
  const shown = sourcesOf(domain.config ?? run.definition, target);
  const gone = chain.slice(chain.indexOf(top), chain.indexOf(base));
  const [first = active, ...others] = shown.filter((path) => !gone.includes(path));
  setFiles(domain, run, target, [first, ...others]);
}

/** What a job on that disk has done. */
export function jobOf({ domain }: Pick<ChainCall, 'domain'>, target: string) {
  const run = runOf(domain, 'domain');
  fileOf(run, target);
  const found = run.commits.has(target);
  // virDomainBlockJobType 4 is an active commit; libvirt tells 1 of 1 where there was nothing to copy.
  return { found, type: found ? 4 : 0, bandwidth: 0, current: found ? 1 : 0, end: found ? 1 : 0 };
}

/** Ends the job on that disk. */
export function endJob({ domain, storage }: ChainCall, target: string, flags: number): void {
  const run = runOf(domain, 'domain');
  fileOf(run, target);
  const job = run.commits.get(target);
  if (job === undefined)
    throw invalidArgument('qemu', `invalid argument: disk ${target} does not have an active block job`);
  run.commits.delete(target);
  if ((flags & PIVOT) === 0) return;
  const gone = chainOf(storage, job.top);
  const above = gone.slice(0, gone.indexOf(job.base));
  const shown = sourcesOf(domain.config ?? run.definition, target).filter((path) => !above.includes(path));
  setFiles(domain, run, target, [job.base, ...shown.filter((path) => path !== job.base)]);
}

/** What runs and its config both change, as they do in libvirt. */
function setFiles(domain: Domain, run: Run, target: string, files: readonly [string, ...string[]]): void {
  run.definition = withSources(run.definition, target, [files[0]]);
  if (domain.config !== undefined) domain.config = withSources(domain.config, target, files);
}

function moveData(storage: Storage, [...files]: readonly string[]): void {
  const base = files.at(-1);
  const file = base === undefined ? undefined : storage.file(base);
  if (base === undefined || file === undefined) return;
  const more = files.slice(0, -1).reduce((sum, path) => sum + dataOf(storage.file(path)), 0);
  storage.putFile(base, withData(file, dataOf(file) + more));
}

function runOf({ run }: Domain, origin: 'qemu' | 'domain' = 'qemu'): Run {
  if (run === undefined) throw wrongState(origin, 'domain is not running');
  return run;
}

function fileOf({ definition }: Run, target: string): string {
  const file = definition.disks.find((disk) => disk.target === target)?.file;
  if (file === undefined)
    throw invalidArgument('qemu', `invalid argument: disk '${target}' not found in domain`);
  return file;
}

function requireNoJob({ commits }: Run, target: string): void {
  if (!commits.has(target)) return;
  const message = `block copy still active: disk '${target}' already in active block job`;
  throw new LibvirtFailure(CODES.BLOCK_COPY_ACTIVE, 'qemu', message);
}
