import { type DesiredVm, disksOf } from './desired.ts';
import type { ObservedDisk, ObservedVm } from './observed.ts';
import { cardFor, declaredBridge } from './plan-cards.ts';
import { SEED_TARGET } from './seed.ts';
import { formatGiB, isGrowth, isShrink } from './shrink.ts';
import type { StepKind, VmStep } from './step.ts';

const GIB = 1024 ** 3;

/** What git declares of a VM, piece by piece, each of which changes and drifts on its own. */
export interface VmField {
  /** As the mark names it: `vcpus`, `disk.vdb`. */
  readonly id: string;
  /** All that git says of it. */
  readonly declared: string;
}

/** One line of a comparison between git and a host. */
export interface Comparison extends Pick<VmField, 'id'> {
  readonly field: string;
  readonly git: string;
  readonly actual: string;
}

/** Every field that git declares of a VM. A change in one of these, and in nothing else, is a change of what its host has. */
export function declaredFields(vm: DesiredVm): VmField[] {
  const { autostart, vcpus, memoryMiB, maxMemoryMiB, restart, title, description, nics } = vm;
  const cards = nics.map(({ mac = '', bridge, bridgeFrom }) =>
    bridgeFrom === undefined ? mac : `${mac} ${bridgeFrom} ${bridge}`,
  );
  return [
    ...(vm.power === 'manual' ? [] : [{ id: 'power', declared: vm.power }]),
    { id: 'autostart', declared: String(autostart) },
    { id: 'vcpus', declared: String(vcpus) },
    // Together: one alone may not go with what the host has of the other.
    { id: 'memory', declared: `${memoryMiB} ${maxMemoryMiB}` },
    ...disksOf(vm).map(({ target, sizeGiB }) => ({ id: `disk.${target}`, declared: String(sizeGiB) })),
    { id: 'cards', declared: cards.join(',') },
    ...(title === undefined ? [] : [{ id: 'title', declared: title }]),
    ...(description === undefined ? [] : [{ id: 'description', declared: description.trim() }]),
    { id: 'restart', declared: restart },
  ];
}

/** Which fields a step brings about; `every` for one that shows the running VM all of its definition. */
export function fieldsOf(step: VmStep): readonly string[] | 'every' {
  switch (step.kind) {
    case 'start':
    case 'stop':
      return ['power'];
    case 'autostart':
      return ['autostart'];
    case 'resize':
      return ['vcpus', 'memory'];
    case 'grow':
      return [`disk.${step.target}`];
    case 'attach':
      return [`disk.${step.disk.target}`];
    case 'detach':
      return [`disk.${step.volume.target}`];
    case 'rewire':
      return ['cards'];
    case 'describe':
      return Object.keys(step.texts);
    case 'restart':
    case 'create':
    case 'adopt':
    case 'restore':
    case 'remove':
    case 'purge':
    case 'mark':
    case 'seed':
    case 'hostname':
    case 'reclaim':
    case 'snapshot':
    case 'merge':
    case 'revert':
    case 'request':
    case 'depart':
    case 'receive':
    case 'migrate':
    case 'retire':
    case 'abandon':
    case 'recall':
      return 'every';
  }
}

/** Whether what is held of a VM that is else brought up to date may be a change of that field; `update` is about its disks. */
export function mayConcern(kind: StepKind | 'move' | 'update', id: string): boolean {
  if (OF_DISKS.includes(kind)) return id.startsWith('disk.');
  return kind === 'rewire' ? id === 'cards' : !OF_NO_FIELD.includes(kind);
}

const OF_DISKS: readonly string[] = ['grow', 'attach', 'detach', 'update'] satisfies (StepKind | 'update')[];
const OF_NO_FIELD: readonly string[] = ['seed', 'hostname', 'reclaim'] satisfies StepKind[];

/** Field by field, what git says and what the host has, the same or not. */
export function compareFields(vm: DesiredVm, found: ObservedVm): Comparison[] {
  const line = (id: string, field: string, git: string, actual: string): Comparison => ({
    id,
    field,
    git,
    actual,
  });
  const texts = (['title', 'description'] as const).flatMap((id) => {
    const git = vm[id]?.trim();
    return git === undefined ? [] : [line(id, id, git, found[id]?.trim() ?? 'none')];
  });
  return [
    ...(vm.power === 'manual' ? [] : [line('power', 'power', POWER[vm.power], found.power)]),
    line('autostart', 'autostart', String(vm.autostart), String(found.autostart)),
    line('vcpus', 'vcpus', String(vm.vcpus), String(found.vcpus)),
    line('memory', 'memoryGb', gib(vm.memoryMiB), gib(found.memoryMiB)),
    line('memory', 'maxMemoryGb', gib(vm.maxMemoryMiB), gib(found.maxMemoryMiB)),
    ...diskLines(vm, found),
    ...cardLines(vm, found),
    ...texts,
  ];
}

const POWER = { on: 'running', off: 'shutoff' };

function diskLines(vm: DesiredVm, { disks, mark }: ObservedVm): Comparison[] {
  const declared = disksOf(vm);
  const isDeclared = (target: string) => declared.some((disk) => disk.target === target);
  const wanted = declared.flatMap((disk) =>
    diskLine(
      disk,
      disks.find(({ target }) => target === disk.target),
    ),
  );
  const dropped = (mark?.volumes ?? [])
    .filter(({ target, retained }) => retained === undefined && target !== '' && target !== SEED_TARGET)
    .filter(({ target }) => !isDeclared(target))
    .map(({ target }) => ({ id: `disk.${target}`, field: `disk ${target}`, git: 'none', actual: 'there' }));
  return [...wanted, ...dropped];
}

/** Only by how much git and the host differ where that is a difference. */
function diskLine(
  disk: { readonly target: string; readonly sizeGiB?: number; readonly sizeIsDefault?: boolean },
  there: ObservedDisk | undefined,
): Comparison[] {
  const { target, sizeGiB, sizeIsDefault } = disk;
  const line = {
    id: `disk.${target}`,
    field: `disk ${target}`,
    git: sizeGiB === undefined ? 'there' : `${sizeGiB} GiB`,
  };
  if (there === undefined) return [{ ...line, actual: 'missing' }];
  if (there.capacity === undefined || sizeGiB === undefined) return [];
  const size = { target, wanted: sizeGiB * GIB, found: there.capacity };
  const differs = isGrowth(size) || (isShrink(size) && sizeIsDefault !== true);
  return differs ? [{ ...line, actual: formatGiB(there.capacity) }] : [];
}

function cardLines(vm: DesiredVm, { nics }: ObservedVm): Comparison[] {
  return vm.nics.flatMap((nic, index) => {
    const card = cardFor(nic, index, nics);
    const field = `network card ${index + 1}`;
    if (card === undefined) {
      const git = nic.mac ?? nic.bridge;
      return nic.mac === undefined && nic.bridgeFrom === undefined
        ? []
        : [{ id: 'cards', field, git, actual: 'missing' }];
    }
    const mac = nic.mac?.toLowerCase();
    const bridge = declaredBridge(nic, card);
    return [
      ...(mac === undefined ? [] : [{ id: 'cards', field, git: mac, actual: card.mac }]),
      ...(bridge === undefined
        ? []
        : [{ id: 'cards', field: `bridge of ${field}`, git: bridge, actual: card.bridge ?? 'none' }]),
    ];
  });
}

function gib(mib: number): string {
  return String(mib / 1024);
}
