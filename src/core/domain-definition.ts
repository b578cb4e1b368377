import type { Element } from '@xmldom/xmldom';
import { errorMessage } from '../errors.ts';
import { MARK_NAMESPACE, type Mark } from './mark.ts';
import { readMark } from './mark-xml.ts';
import type { ObservedDisk, ObservedNic } from './observed.ts';
import type { SnapshotRequest } from './snapshot.ts';
import { readRequest } from './snapshot-xml.ts';
import { readTies } from './ties.ts';
import { attribute, elementAt, elementsAt, parseXml, textAt } from './xml.ts';

/** What we read of a domain's definition. */
export interface DomainDefinition {
  readonly name: string;
  readonly uuid: string;
  readonly title?: string;
  readonly description?: string;
  readonly vcpus: number;
  /** What they can grow to while it runs. */
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  readonly macs: readonly string[];
  readonly nics: readonly ObservedNic[];
  /** Disks proper: no CD-ROM, no floppy. */
  readonly disks: readonly DefinedDisk[];
  /** `kvm`, or `qemu`: emulated. */
  readonly type?: string;
  /** As libvirt names it: `pc-q35-7.2`. */
  readonly machine?: string;
  readonly arch?: string;
  /** What keeps it on its host, each in words; absent: nothing. */
  readonly ties?: readonly string[];
  readonly mark?: Mark;
  readonly markError?: string;
  readonly hasCopiedMark?: true;
  /** What a person asked for of its snapshots. */
  readonly request?: SnapshotRequest;
}

export type DefinedDisk = Pick<ObservedDisk, 'target' | 'file' | 'isShared'>;

/** Reads libvirt's XML of one domain. Throws where it is none. */
export function parseDomain(xml: string): DomainDefinition {
  const domain = parseXml(xml);
  const maxMemoryMiB = memoryMiB(elementAt(domain, 'memory'));
  const vcpu = elementAt(domain, 'vcpu');
  const maxVcpus = Number(vcpu?.textContent ?? 1);
  const uuid = textAt(domain, 'uuid') ?? '';
  const request = readRequest(domain, uuid);
  return {
    name: textAt(domain, 'name') ?? '',
    uuid,
    ...textsOf(domain),
    vcpus: Number(attribute(vcpu, 'current') ?? maxVcpus),
    maxVcpus,
    memoryMiB: memoryMiB(elementAt(domain, 'currentMemory')) || maxMemoryMiB,
    maxMemoryMiB,
    macs: elementsAt(domain, 'devices', 'interface', 'mac').flatMap((mac) => attribute(mac, 'address') ?? []),
    nics: elementsAt(domain, 'devices', 'interface').map(readNic),
    disks: elementsAt(domain, 'devices', 'disk').filter(isDisk).map(readDisk),
    ...readMachine(domain),
    ...readOurMark(domain, uuid),
    ...(request !== undefined && { request }),
  };
}

/** Whether the guest of a running domain has opened the channel of its agent: only the XML of what runs says so. */
export function agentIsConnected(xml: string): boolean {
  return elementsAt(parseXml(xml), 'devices', 'channel', 'target').some(
    (target) =>
      attribute(target, 'name') === 'org.qemu.guest_agent.0' && attribute(target, 'state') === 'connected',
  );
}

function readMachine(domain: Element): Pick<DomainDefinition, 'type' | 'machine' | 'arch' | 'ties'> {
  const os = elementAt(domain, 'os', 'type');
  const [type, machine, arch] = [attribute(domain, 'type'), attribute(os, 'machine'), attribute(os, 'arch')];
  const ties = readTies(domain);
  return {
    ...(type !== undefined && { type }),
    ...(machine !== undefined && { machine }),
    ...(arch !== undefined && { arch }),
    ...(ties.length > 0 && { ties }),
  };
}

function textsOf(domain: Element): { title?: string; description?: string } {
  const [title, description] = [textAt(domain, 'title'), textAt(domain, 'description')];
  return { ...(title && { title }), ...(description && { description }) };
}

function readNic(element: Element): ObservedNic {
  const source = elementAt(element, 'source');
  const bridge = attribute(element, 'type') === 'bridge' ? attribute(source, 'bridge') : undefined;
  return {
    mac: (attribute(elementAt(element, 'mac'), 'address') ?? '').toLowerCase(),
    ...(bridge !== undefined && { bridge }),
  };
}

function isDisk(element: Element): boolean {
  return (attribute(element, 'device') ?? 'disk') === 'disk';
}

function readDisk(element: Element): DefinedDisk {
  const file = attribute(elementAt(element, 'source'), 'file');
  const isShared = ['readonly', 'shareable'].some((flag) => elementAt(element, flag) !== undefined);
  return {
    target: attribute(elementAt(element, 'target'), 'dev') ?? '',
    ...(file === undefined ? {} : { file }),
    ...(isShared && { isShared }),
  };
}

/** virt-clone copies the whole of `<metadata>`: what is the clone's own must never be taken for the original's. */
function readOurMark(
  domain: Element,
  uuid: string,
): Pick<DomainDefinition, 'mark' | 'markError' | 'hasCopiedMark'> {
  const element = elementsAt(domain, 'metadata', 'vm').find((vm) => vm.namespaceURI === MARK_NAMESPACE);
  if (element === undefined) return {};
  try {
    const mark = readMark(element);
    if (mark.uuid === uuid) return { mark };
    return { markError: `its mark is a copy of that of VM ${mark.uuid}`, hasCopiedMark: true };
  } catch (error) {
    return { markError: errorMessage(error) };
  }
}

/** libvirt writes KiB, but takes and may keep other units. */
const UNIT_KIB: Readonly<Record<string, number>> = {
  b: 1 / 1024,
  bytes: 1 / 1024,
  KiB: 1,
  k: 1,
  MiB: 1024,
  M: 1024,
  GiB: 1024 ** 2,
  G: 1024 ** 2,
  TiB: 1024 ** 3,
  T: 1024 ** 3,
};

function memoryMiB(element: Element | undefined): number {
  if (element === undefined) return 0;
  const kib = Number(element.textContent) * (UNIT_KIB[attribute(element, 'unit') ?? 'KiB'] ?? 1);
  return Math.round(kib / 1024);
}
