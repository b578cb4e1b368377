import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { renderDefinition } from './definition.ts';
import type { SavedMemory } from './domain.ts';
import type { SimulatedHost } from './host.ts';
import type { DiskFile, Pool } from './storage.ts';

const FORMAT = 2;

/** What stands on a host's disks. */
interface HostState {
  readonly format: typeof FORMAT;
  readonly uuid: string;
  readonly folders: readonly string[];
  readonly pools: readonly {
    readonly name: string;
    readonly uuid: string;
    readonly path: string;
    readonly source?: Pool['source'];
    readonly autostart: boolean;
  }[];
  readonly files: readonly (readonly [path: string, file: DiskFile])[];
  readonly domains: readonly {
    readonly xml: string;
    readonly autostart: boolean;
    readonly saved?: { readonly xml: string; readonly paused: boolean };
  }[];
}

/** The state in that file; undefined where there is none. */
export function readHostState(path: string): HostState | undefined {
  try {
    const state: HostState = JSON.parse(readFileSync(path, 'utf8'));
    if (state.format !== FORMAT) throw new Error(`${path} is of another version of this program: delete it`);
    return state;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Puts the state onto a new host, which boots with it. */
export function restoreHost(host: SimulatedHost, state: HostState): void {
  for (const folder of state.folders) host.storage.makeFolder(folder);
  for (const [path, file] of state.files) host.storage.putFile(path, file);
  for (const { autostart, ...pool } of state.pools)
    host.storage.setAutostart(host.storage.addPool(pool), autostart);
  for (const { xml, ...rest } of state.domains) host.domains.restore(xml, rest);
  host.storage.autostart();
  host.domains.autostart();
}

/** Writes the state after each change, once for all changes of a moment. Returns what writes it now. */
export function keepOnDisk(host: SimulatedHost, path: string): () => void {
  let due: NodeJS.Immediate | undefined;
  const write = () => {
    due = undefined;
    writeFileSync(`${path}.new`, JSON.stringify(stateOfHost(host)));
    renameSync(`${path}.new`, path);
  };
  host.onChange = () => {
    due ??= setImmediate(write);
  };
  return () => {
    clearImmediate(due);
    write();
  };
}

function stateOfHost({ facts, storage, domains }: SimulatedHost): HostState {
  return {
    format: FORMAT,
    uuid: facts.uuid,
    folders: storage.folders(),
    pools: storage
      .pools()
      .map(({ name, uuid, path, source, autostart }) => ({ name, uuid, path, source, autostart })),
    files: storage.files(),
    domains: domains
      .all()
      .flatMap(({ config, autostart, saved }) =>
        config === undefined ? [] : [{ xml: renderDefinition(config), autostart, ...savedInFile(saved) }],
      ),
  };
}

function savedInFile(saved: SavedMemory | undefined) {
  return saved && { saved: { xml: renderDefinition(saved.definition), paused: saved.paused } };
}
