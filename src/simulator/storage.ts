import { randomUUID } from 'node:crypto';
import type { PoolRef, VolumeRef } from '../libvirt/protocol/procedure.ts';
import { internalError, noPool, noVolume, operationFailed, systemError, wrongState } from './failure.ts';
import { qcow2Head } from './qcow2-head.ts';
import { SparseContent } from './sparse-content.ts';

/** A file that holds a disk. */
export interface DiskFile {
  readonly format: string;
  readonly capacityBytes: number;
  /** What it takes up. */
  readonly allocationBytes: number;
  /** How long it is. */
  readonly physicalBytes: number;
  /** Permissions, where they are not those of every disk: `0444`. */
  readonly mode?: string;
  readonly backing?: { readonly path: string; readonly format: string };
}

/** A pool of type dir, or netfs where it has a source. */
export interface Pool {
  readonly name: string;
  readonly uuid: string;
  readonly path: string;
  readonly source?: { readonly host: string; readonly path: string } | undefined;
  autostart: boolean;
  active: boolean;
  /** The volumes that libvirt knows of, as of its last look. */
  volumes: Set<string>;
}

/** The disks and pools of one host. */
export class Storage {
  /** Of the file system that holds everything. */
  readonly diskBytes: number;
  readonly #onChange: () => void;
  readonly #pools = new Map<string, Pool>();
  readonly #folders = new Set<string>();
  readonly #files = new Map<string, DiskFile>();
  /** What is in files that were uploaded. */
  readonly #contents = new Map<string, SparseContent>();
  /** When files were last written to: seconds, with as many decimals as libvirt shows. */
  readonly #changes = new Map<string, string>();
  #writes = 0;

  constructor(diskBytes: number, onChange: () => void) {
    this.diskBytes = diskBytes;
    this.#onChange = onChange;
  }

  pools(): readonly Pool[] {
    return [...this.#pools.values()];
  }

  files(): readonly (readonly [path: string, file: DiskFile])[] {
    return [...this.#files];
  }

  folders(): readonly string[] {
    return [...this.#folders];
  }

  file(path: string): DiskFile | undefined {
    return this.#files.get(path);
  }

  /** Writes a file behind libvirt's back: a pool shows it after its next refresh. */
  putFile(path: string, file: DiskFile): void {
    this.#files.set(path, file);
    this.#contents.delete(path);
    this.#writes += 1;
    this.#changes.set(path, `${Math.floor(Date.now() / 1000)}.${String(this.#writes).padStart(9, '0')}`);
    this.#onChange();
  }

  /** What is in a file: what was uploaded, else a hole, behind the header where it has one. */
  content(path: string): SparseContent {
    const known = this.#contents.get(path);
    if (known !== undefined) return known;
    const file = this.#files.get(path);
    const content = new SparseContent(file?.physicalBytes);
    if (file?.format === 'qcow2') content.write(0, qcow2Head(file));
    return content;
  }

  putContent(path: string, content: SparseContent): void {
    this.#contents.set(path, content);
  }

  changedAt(path: string): string {
    return this.#changes.get(path) ?? '0.000000000';
  }

  /** Deletes a file behind libvirt's back. */
  removeFile(path: string): void {
    this.#files.delete(path);
    this.#onChange();
  }

  makeFolder(path: string): void {
    this.#folders.add(path);
    this.#onChange();
  }

  /** Fails as a start does whose disk, or something behind it, is not there. */
  checkReadable(path: string): void {
    let of = '';
    for (let current: string | undefined = path; current !== undefined; ) {
      const file = this.#files.get(current);
      if (file === undefined) {
        const what =
          of === '' ? `storage file '${current}'` : `backing file '${current}' of storage file '${of}'`;
        throw systemError('storage', `Cannot access ${what} (as uid:0, gid:0): No such file or directory`);
      }
      of = current;
      current = file.backing?.path;
    }
  }

  /** How many files a disk is made of: its own, and those behind it. */
  chainLength(path: string): number {
    const file = this.#files.get(path);
    if (file === undefined) return 0;
    return 1 + (file.backing === undefined ? 0 : this.chainLength(file.backing.path));
  }

  /** Bytes that all files take up, in this pool and in others: they share a file system. */
  allocatedBytes(): number {
    let sum = 0;
    for (const { allocationBytes } of this.#files.values()) sum += allocationBytes;
    return sum;
  }

  poolByName(name: string): Pool {
    const pool = this.#pools.get(name);
    if (pool === undefined) throw noPool(`name '${name}'`);
    return pool;
  }

  poolByUuid(uuid: string): Pool {
    const pool = this.pools().find((candidate) => candidate.uuid === uuid);
    if (pool === undefined) throw noPool(`uuid '${uuid}'`);
    return pool;
  }

  /** As a call names it: the uuid counts. */
  poolByRef({ uuid, name }: PoolRef): Pool {
    const pool = this.pools().find((candidate) => candidate.uuid === uuid);
    if (pool === undefined) throw noPool(`uuid '${uuid}' (${name})`);
    return pool;
  }

  activePool(ref: PoolRef): Pool {
    const pool = this.poolByRef(ref);
    requireActive(pool);
    return pool;
  }

  addPool(wanted: {
    readonly name: string;
    readonly path: string;
    readonly uuid?: string | undefined;
    readonly source?: Pool['source'];
  }): Pool {
    const { name, path, uuid, source } = wanted;
    const same = this.#pools.get(name);
    if (same !== undefined && same.uuid !== uuid)
      throw operationFailed('storage', `pool '${name}' already exists with uuid ${same.uuid}`);
    const neighbour = this.pools().find((pool) => pool.name !== name && isSameStore(pool, wanted));
    if (neighbour !== undefined)
      throw operationFailed('storage', `Storage source conflict with pool: '${neighbour.name}'`);
    const pool: Pool = {
      name,
      path,
      source,
      uuid: uuid ?? randomUUID(),
      autostart: same?.autostart ?? false,
      active: same?.active ?? false,
      volumes: same?.volumes ?? new Set(),
    };
    this.#pools.set(name, pool);
    this.#onChange();
    return pool;
  }

  undefinePool(pool: Pool): void {
    if (pool.active) throw wrongState('storage', `storage pool '${pool.name}' is still active`);
    this.#pools.delete(pool.name);
    this.#onChange();
  }

  buildPool(pool: Pool): void {
    if (pool.active) throw wrongState('storage', `storage pool '${pool.name}' is already active`);
    this.makeFolder(pool.path);
  }

  startPool(pool: Pool): void {
    if (pool.active) throw wrongState('storage', `storage pool '${pool.name}' is already active`);
    if (!this.#folders.has(pool.path))
      throw systemError('none', `cannot open directory '${pool.path}': No such file or directory`);
    if (pool.source !== undefined) throw unreachable(pool.path, pool.source);
    pool.active = true;
    this.refresh(pool);
  }

  stopPool(pool: Pool): void {
    requireActive(pool);
    pool.active = false;
    pool.volumes = new Set();
    this.#onChange();
  }

  setAutostart(pool: Pool, autostart: boolean): void {
    pool.autostart = autostart;
    this.#onChange();
  }

  /** Looks at the folder again. */
  refresh(pool: Pool): void {
    requireActive(pool);
    const prefix = `${pool.path}/`;
    const names = [...this.#files.keys()]
      .filter((path) => path.startsWith(prefix) && !path.includes('/', prefix.length))
      .map((path) => path.slice(prefix.length));
    pool.volumes = new Set(names);
    this.#onChange();
  }

  /** The pool and path of a volume; fails where libvirt knows of none. */
  volume({ pool: poolName, name }: Pick<VolumeRef, 'pool' | 'name'>): { pool: Pool; path: string } {
    const pool = this.poolByName(poolName);
    requireActive(pool);
    if (!pool.volumes.has(name)) throw noVolume(`name '${name}'`);
    return { pool, path: pathIn(pool, name) };
  }

  /** As `volume`, with its file; fails where that has gone. */
  volumeFile(ref: Pick<VolumeRef, 'pool' | 'name'>): { pool: Pool; path: string; file: DiskFile } {
    const found = this.volume(ref);
    const file = this.#files.get(found.path);
    if (file === undefined) throw noVolume(`path '${found.path}'`);
    return { ...found, file };
  }

  volumeByPath(path: string): VolumeRef {
    for (const pool of this.pools().filter((candidate) => candidate.active)) {
      const name = path.startsWith(`${pool.path}/`) ? path.slice(pool.path.length + 1) : '';
      if (pool.volumes.has(name)) return { pool: pool.name, name, key: path };
    }
    throw noVolume(`path '${path}'`);
  }

  addVolume(pool: Pool, name: string, file: DiskFile): VolumeRef {
    const path = pathIn(pool, name);
    if (this.#files.has(path)) throw wrongState('storage', `volume target path '${path}' already exists`);
    pool.volumes.add(name);
    this.putFile(path, file);
    return { pool: pool.name, name, key: path };
  }

  deleteVolume(ref: Pick<VolumeRef, 'pool' | 'name'>): void {
    const { pool, path } = this.volume(ref);
    pool.volumes.delete(ref.name);
    this.removeFile(path);
  }

  /** Pools are inactive until the host boots. */
  powerCut(): void {
    for (const pool of this.#pools.values()) {
      pool.active = false;
      pool.volumes = new Set();
    }
  }

  autostart(): void {
    for (const pool of this.#pools.values())
      if (pool.autostart && !pool.active && this.#folders.has(pool.path)) this.startPool(pool);
  }
}

/** As libvirt compares them: a mounted folder by what is mounted, else by its path. */
function isSameStore(pool: Pool, { path, source }: Pick<Pool, 'path' | 'source'>): boolean {
  if (pool.source === undefined || source === undefined) return pool.path === path;
  return pool.source.host === source.host && pool.source.path === source.path;
}

/** There are no file servers here. */
function unreachable(path: string, { host, path: folder }: NonNullable<Pool['source']>): Error {
  const command = `/bin/mount -o nodev,nosuid,noexec ${host}:${folder} ${path}`;
  const what = `mount.nfs: Connection refused for ${host}:${folder} on ${path}`;
  return internalError('none', `Child process (${command}) unexpected exit status 32: ${what}`);
}

/** Where a volume of that name is. */
export function pathIn(pool: Pool, name: string): string {
  return `${pool.path}/${name}`;
}

function requireActive(pool: Pool): void {
  if (!pool.active) throw wrongState('storage', `storage pool '${pool.name}' is not active`);
}
