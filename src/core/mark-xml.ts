import type { Element } from '@xmldom/xmldom';
import type { Applied } from './applied.ts';
import {
  MARK_NAMESPACE,
  MARK_PREFIX,
  type Mark,
  type MarkedVolume,
  type MarkState,
  type Passage,
  type Removal,
  type Retention,
} from './mark.ts';
import { readSnapshot, renderSnapshot } from './snapshot-xml.ts';
import { attribute, elementAt, elementsAt, escapeXml } from './xml.ts';

/**
 * The mark as it stands in a domain definition, with prefix and namespace.
 *
 *     <kg:vm xmlns:kg="urn:kvm-gitops:1" cluster="lab" uuid="8c1f.." state="ready" file="manifests/web.yaml" ..>
 *       <kg:volume target="vda" pool="default" name="web-1-vda.qcow2"/>
 *     </kg:vm>
 */
export function markForDefinition(mark: Mark): string {
  return render(mark, `${MARK_PREFIX}:`, ` xmlns:${MARK_PREFIX}="${MARK_NAMESPACE}"`);
}

/** The mark as libvirt's set-metadata call wants it: bare, the daemon adds prefix and namespace. */
export function markForMetadataCall(mark: Mark): string {
  return render(mark, '', '');
}

function render(mark: Mark, prefix: string, namespace: string): string {
  const attributes = attributeList({
    cluster: mark.cluster,
    uuid: mark.uuid,
    state: mark.state,
    file: mark.file,
    commit: mark.commit,
    protect: mark.protect ? 'yes' : 'no',
    ...(mark.force !== undefined && { force: mark.force }),
    ...(mark.dependsOn !== undefined && { 'depends-on': mark.dependsOn.join(' ') }),
    ...renderApplied(mark.applied),
    ...(mark.spec !== undefined && { spec: mark.spec }),
    ...(mark.seed !== undefined && { seed: mark.seed }),
    ...(mark.guestName !== undefined && { 'guest-name': mark.guestName }),
  });
  const volumes = mark.volumes.map(
    ({ target, pool, name, made, retained }) =>
      `<${prefix}volume${attributeList({ target, pool, name, ...(!made && { made: 'no' }), ...retention(retained) })}/>`,
  );
  const snapshots = (mark.snapshots ?? []).map((snapshot) => renderSnapshot(snapshot, prefix));
  const removed =
    mark.removed === undefined
      ? []
      : [
          `<${prefix}removed${attributeList({
            at: mark.removed.at,
            'purge-after': mark.removed.purgeAfter,
            commit: mark.removed.commit,
            complete: mark.removed.complete ? 'yes' : 'no',
            ...(mark.removed.movedTo !== undefined && { 'moved-to': mark.removed.movedTo }),
          })}/>`,
        ];
  const ways = (['from', 'to'] as const).flatMap((way) => {
    const passage = mark[way];
    if (passage === undefined) return [];
    const { host, at, commit, stamp, live } = passage;
    const extras = { ...(stamp !== undefined && { stamp }), ...(live && { live: 'yes' }) };
    return [`<${prefix}${way}${attributeList({ host, at, commit, ...extras })}/>`];
  });
  const inner = [...volumes, ...snapshots, ...removed, ...ways].join('');
  return `<${prefix}vm${namespace}${attributes}>${inner}</${prefix}vm>`;
}

function retention(retained: Retention | undefined): Record<string, string> {
  if (retained === undefined) return {};
  const { at, purgeAfter, commit } = retained;
  return { retained: at, 'purge-after': purgeAfter, commit };
}

function attributeList(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escapeXml(value)}"`)
    .join('');
}

/** Reads our element; throws where it is not as we write it: such a VM is never touched. */
export function readMark(element: Element): Mark {
  const state = required(element, 'state');
  if (!isMarkState(state)) throw new Error(`our mark has the unknown state "${state}"`);
  const removed = elementAt(element, 'removed');
  const seed = attribute(element, 'seed');
  const guestName = attribute(element, 'guest-name');
  const snapshots = elementsAt(element, 'snapshot');
  if ((state === 'tombstone') !== (removed !== undefined))
    throw new Error(`our mark has the state ${state} and ${removed ? 'a' : 'no'} removal`);
  const passages = { ...readPassage(element, 'from'), ...readPassage(element, 'to') };
  requireWay(state, passages);
  return {
    cluster: required(element, 'cluster'),
    uuid: required(element, 'uuid'),
    state,
    file: required(element, 'file'),
    commit: required(element, 'commit'),
    protect: readYesNo(element, 'protect'),
    ...readForce(element),
    ...readDependsOn(element),
    ...readApplied(element),
    ...readSpec(element),
    volumes: elementsAt(element, 'volume').map(readVolume),
    ...(seed !== undefined && { seed }),
    ...(guestName !== undefined && { guestName }),
    ...(snapshots.length > 0 && { snapshots: snapshots.map(readSnapshot) }),
    ...(removed === undefined ? {} : { removed: readRemoval(removed) }),
    ...passages,
  };
}

function readPassage(element: Element, way: 'from' | 'to'): Pick<Mark, 'from' | 'to'> {
  const found = elementAt(element, way);
  if (found === undefined) return {};
  const stamp = attribute(found, 'stamp');
  const passage: Passage = {
    host: required(found, 'host'),
    at: required(found, 'at'),
    commit: required(found, 'commit'),
    ...(stamp !== undefined && { stamp }),
    ...(attribute(found, 'live') !== undefined && readYesNo(found, 'live') && { live: true }),
  };
  return { [way]: passage };
}

function requireWay(state: MarkState, { from, to }: Pick<Mark, 'from' | 'to'>): void {
  if ((state === 'migrating') !== (to !== undefined))
    throw new Error(`our mark has the state ${state} and ${to ? 'a' : 'no'} host that it goes to`);
  if (state === 'arriving' && from === undefined)
    throw new Error('our mark has the state arriving and no host that it comes from');
}

function readForce(element: Element): Pick<Mark, 'force'> {
  const force = attribute(element, 'force');
  if (force === undefined) return {};
  if (force !== 'never' && force !== 'allowed') throw new Error(`our mark has force="${force}"`);
  return { force };
}

function readDependsOn(element: Element): Pick<Mark, 'dependsOn'> {
  const names = attribute(element, 'depends-on')?.split(' ').filter(Boolean) ?? [];
  return names.length === 0 ? {} : { dependsOn: names };
}

function renderApplied(applied: Applied = {}): { applied?: string } {
  const fields = Object.entries(applied).map(([id, hash]) => `${id}=${hash}`);
  return fields.length === 0 ? {} : { applied: fields.join(' ') };
}

function readApplied(element: Element): Pick<Mark, 'applied'> {
  const applied = attribute(element, 'applied');
  if (applied === undefined) return {};
  const fields = applied.split(' ').filter(Boolean);
  const strange = fields.find((field) => !/^[a-z.]+=[0-9a-f]{8}$/.test(field));
  if (strange !== undefined) throw new Error(`our mark has "${strange}" in applied`);
  return { applied: Object.fromEntries(fields.map((field) => [field.slice(0, -9), field.slice(-8)])) };
}

function readSpec(element: Element): Pick<Mark, 'spec'> {
  const spec = attribute(element, 'spec');
  return spec === undefined ? {} : { spec };
}

function readVolume(element: Element): MarkedVolume {
  const name = required(element, 'name');
  return {
    // Marks of version 0.1 name no target: it ends the volume's name.
    target: attribute(element, 'target') ?? /-(vd[a-z])\.qcow2$/.exec(name)?.[1] ?? '',
    pool: required(element, 'pool'),
    name,
    made: attribute(element, 'made') !== 'no',
    ...readRetention(element),
  };
}

function readRetention(element: Element): { retained?: Retention } {
  const at = attribute(element, 'retained');
  if (at === undefined) return {};
  return { retained: { at, purgeAfter: readPurgeDate(element), commit: required(element, 'commit') } };
}

/** `Date.parse` alone takes "1" for a day of 2001, on which everything is due. */
const ISO_DATE = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/;

function readPurgeDate(element: Element): string {
  const purgeAfter = required(element, 'purge-after');
  if (!ISO_DATE.test(purgeAfter) || Number.isNaN(Date.parse(purgeAfter)))
    throw new Error(`our mark has no date in purge-after="${purgeAfter}"`);
  return purgeAfter;
}

function readRemoval(element: Element): Removal {
  const movedTo = attribute(element, 'moved-to');
  return {
    at: required(element, 'at'),
    purgeAfter: readPurgeDate(element),
    commit: required(element, 'commit'),
    complete: readYesNo(element, 'complete'),
    ...(movedTo !== undefined && { movedTo }),
  };
}

function required(element: Element, name: string): string {
  const value = attribute(element, name);
  if (value === undefined) throw new Error(`our mark lacks "${name}"`);
  return value;
}

function readYesNo(element: Element, name: string): boolean {
  const value = required(element, name);
  if (value !== 'yes' && value !== 'no') throw new Error(`our mark has ${name}="${value}", not yes or no`);
  return value === 'yes';
}

function isMarkState(state: string): state is MarkState {
  return ['building', 'ready', 'migrating', 'arriving', 'tombstone'].includes(state);
}
