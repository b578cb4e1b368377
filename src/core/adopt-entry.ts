import type { Image } from './desired.ts';
import type { DomainDefinition } from './domain-definition.ts';
import type { Fleet } from './fleet.ts';
import { type VmSpec, vmSpecSchema } from './manifest.ts';
import type { MarkedVolume } from './mark.ts';
import type { KnownHost, ObservedDisk, ObservedVm } from './observed.ts';
import { ownVolume } from './plan-adopt.ts';
import { sizeChange } from './size.ts';

const MIB = 1024 ** 2;
const MIB_PER_GIB = 1024;

/** A VM on a host, and all that is known of it there. */
export interface Candidate {
  readonly vm: ObservedVm;
  readonly definition: DomainDefinition;
  /** IPv4 addresses that it has now, the likeliest first. */
  readonly addresses: readonly string[];
}

/** What a person, or a manifest of old, says of it. */
export interface Knowledge {
  readonly ipaddress?: string;
  readonly hostname?: string;
}

/** Where it stands. */
export interface Whereabouts {
  readonly host: KnownHost;
  readonly fleet: Fleet;
  /** Base images: never a VM's own. */
  readonly images: readonly Image[];
}

export type Adoption =
  | { readonly kind: 'marked'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string }
  | {
      readonly kind: 'entry';
      readonly spec: VmSpec;
      /** What a purge will delete, once it is adopted. */
      readonly volumes: readonly MarkedVolume[];
      /** What the entry does not say of it. */
      readonly notes: readonly string[];
    };

/** The manifest entry of a VM that exists, so that nothing follows from it but its adoption; or why there is none. */
export function adoptionOf(candidate: Candidate, known: Knowledge, where: Whereabouts): Adoption {
  const { vm, definition, addresses } = candidate;
  if (vm.mark !== undefined) return { kind: 'marked', reason: `it belongs to cluster ${vm.mark.cluster}` };
  const obstacle = obstacleOf(vm);
  if (obstacle !== undefined) return { kind: 'refused', reason: obstacle };
  const ipaddress = known.ipaddress ?? addresses[0];
  if (ipaddress === undefined) {
    const reason = `its IP address is not known: say it with --address ${vm.name}=IP, or with --from a manifest of old`;
    return { kind: 'refused', reason };
  }
  const volumes = vm.disks.flatMap((disk) => ownVolume(disk, vm, where) ?? []);
  const spec = {
    name: vm.name,
    uuid: vm.uuid,
    hostname: known.hostname ?? hostnameFrom(definition) ?? vm.name,
    ipaddress,
    ...descriptionOf(definition),
    ...sizesOf(vm),
    disks: disksOf(vm, volumes),
    ...cardsOf(definition),
    power: vm.power === 'running' ? 'on' : 'off',
    autostart: vm.autostart,
    // Whatever the defaults: to be adopted is no reason to be restarted.
    ...(isOtherThanDefined(vm) && { restart: 'never' }),
  };
  const checked = vmSpecSchema.safeParse(spec);
  if (checked.success)
    return { kind: 'entry', spec: checked.data, volumes, notes: notesOf(candidate, volumes) };
  return { kind: 'refused', reason: checked.error.issues.map(wrongField).join('; ') };
}

function obstacleOf({ persistent, power, markError, hasCopiedMark }: ObservedVm): string | undefined {
  if (markError !== undefined && hasCopiedMark !== true) return markError;
  if (!persistent) return 'it has no definition and is gone when it stops: define it first';
  if (power !== 'running' && power !== 'shutoff') return 'it is neither running nor shut off';
  return undefined;
}

function wrongField({
  path,
  message,
}: {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}): string {
  return `its ${path.join('.')} does not fit into a manifest: expected ${message}`;
}

function hostnameFrom({ title = '' }: DomainDefinition): string | undefined {
  return vmSpecSchema.shape.hostname.safeParse(title).success && title !== '' ? title : undefined;
}

function descriptionOf({ description }: DomainDefinition): Pick<VmSpec, 'description'> {
  return fitsAsDescription(description) ? { description } : {};
}

function fitsAsDescription(text: string | undefined): text is string {
  return text !== undefined && vmSpecSchema.shape.description.safeParse(text).success;
}

function sizesOf({ vcpus, memoryMiB, maxMemoryMiB }: ObservedVm) {
  const maximum = maxMemoryMiB === memoryMiB ? {} : { maxMemoryGb: maxMemoryMiB / MIB_PER_GIB };
  return { vcpus, memoryGb: memoryMiB / MIB_PER_GIB, ...maximum };
}

function disksOf({ disks }: ObservedVm, volumes: readonly MarkedVolume[]): NonNullable<VmSpec['disks']> {
  return volumes.map(({ target, pool }) => {
    const capacity = disks.find((disk) => disk.target === target)?.capacity ?? 0;
    return { target, sizeGb: Math.max(1, Math.round(capacity / MIB)) / MIB_PER_GIB, pool };
  });
}

function cardsOf({
  nics,
}: DomainDefinition): Pick<VmSpec, 'networks'> | NonNullable<VmSpec['networks']>[number] {
  const cards = nics.flatMap(({ bridge, mac }) => (bridge === undefined ? [] : [{ bridge, mac }]));
  const [only] = cards;
  if (only !== undefined && cards.length === 1) return only;
  return cards.length === 0 ? {} : { networks: cards };
}

function isOtherThanDefined(vm: ObservedVm): boolean {
  return vm.live !== undefined && sizeChange({ ...vm.live, memoryMiB: vm.memoryMiB }, vm) !== undefined;
}

function notesOf({ vm, definition }: Candidate, volumes: readonly MarkedVolume[]): string[] {
  const listed = new Set(volumes.map(({ target }) => target));
  return [
    ...vm.disks.filter(({ target }) => !listed.has(target)).map(diskNote),
    ...definition.nics
      .filter(({ bridge }) => bridge === undefined)
      .map(({ mac }) => `network card ${mac} is on no bridge: left out, and left as it is`),
    ...(definition.description !== undefined && !fitsAsDescription(definition.description)
      ? ['its description does not fit into a manifest: left out, and left as it is']
      : []),
    ...(isOtherThanDefined(vm)
      ? ['it runs with another size than its definition has, until its next start']
      : []),
  ];
}

function diskNote({ target, file, isShared }: ObservedDisk): string {
  const why =
    file === undefined
      ? 'is no file'
      : isShared === true
        ? `(${file}) is read-only or shareable`
        : `(${file}) is in no active storage pool, or something else uses it`;
  return `disk ${target} ${why}: left out, left as it is, and no purge deletes it`;
}
