import type { Element } from '@xmldom/xmldom';
import { REQUEST_NAMESPACE, type Snapshot, type SnapshotDisk, type SnapshotRequest } from './snapshot.ts';
import { attribute, elementsAt, escapeXml } from './xml.ts';

const STATES = ['taking', 'ready', 'merging', 'reverting'] as const;
const CONSISTENCIES = ['quiesced', 'crash'] as const;
const ACTIONS = ['create', 'delete', 'revert'] as const;

/** A snapshot as it stands in the mark; `prefix` is the namespace's, with its colon, or empty. */
export function renderSnapshot(snapshot: Snapshot, prefix: string): string {
  const { name, at, by, state, consistency, paused = false } = snapshot;
  const more = { ...(consistency !== undefined && { consistency }), ...(paused && { paused: 'yes' }) };
  const head = attributes({ name, at, by, state, ...more });
  const disks = snapshot.disks.map(({ target, pool, overlay, fresh }) => {
    const of = attributes({ target, pool, overlay, ...(fresh !== undefined && { fresh }) });
    return `<${prefix}disk${of}/>`;
  });
  return `<${prefix}snapshot${head}>${disks.join('')}</${prefix}snapshot>`;
}

/** Throws where it is not as we write it. */
export function readSnapshot(element: Element): Snapshot {
  const by = required(element, 'by');
  const consistency = CONSISTENCIES.find((one) => one === attribute(element, 'consistency'));
  if (by !== 'git' && by !== 'command') throw new Error(`our mark has a snapshot by "${by}"`);
  return {
    name: required(element, 'name'),
    at: required(element, 'at'),
    by,
    state: oneOf(STATES, required(element, 'state')),
    ...(consistency !== undefined && { consistency }),
    ...(attribute(element, 'paused') === 'yes' && { paused: true }),
    disks: elementsAt(element, 'disk').map(readDisk),
  };
}

function readDisk(element: Element): SnapshotDisk {
  const fresh = attribute(element, 'fresh');
  return {
    target: required(element, 'target'),
    pool: required(element, 'pool'),
    overlay: required(element, 'overlay'),
    ...(fresh !== undefined && { fresh }),
  };
}

/** What a person asked for, as libvirt's set-metadata call wants it. */
export function renderRequest({ uuid, action, snapshot, at }: SnapshotRequest): string {
  return `<snapshot${attributes({ uuid, action, name: snapshot, at })}/>`;
}

/** What a person asked for of the VM with that uuid; undefined where there is nothing, or nothing that can be read. */
export function readRequest(domain: Element, uuid: string): SnapshotRequest | undefined {
  const element = elementsAt(domain, 'metadata', 'snapshot').find(
    ({ namespaceURI }) => namespaceURI === REQUEST_NAMESPACE,
  );
  if (element === undefined || attribute(element, 'uuid') !== uuid) return undefined;
  const action = ACTIONS.find((one) => one === attribute(element, 'action'));
  const snapshot = attribute(element, 'name');
  const at = attribute(element, 'at');
  if (action === undefined || snapshot === undefined || at === undefined) return undefined;
  return { uuid, action, snapshot, at };
}

function attributes(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escapeXml(value)}"`)
    .join('');
}

function required(element: Element, name: string): string {
  const value = attribute(element, name);
  if (value === undefined) throw new Error(`a snapshot in our mark lacks "${name}"`);
  return value;
}

function oneOf<T extends string>(words: readonly T[], word: string): T {
  const found = words.find((one) => one === word);
  if (found === undefined) throw new Error(`our mark has a snapshot in the unknown state "${word}"`);
  return found;
}
