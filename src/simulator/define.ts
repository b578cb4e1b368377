import { randomBytes, randomUUID } from 'node:crypto';
import type { Element } from '@xmldom/xmldom';
import { attribute, elementAt, elementsAt, textAt } from '../core/xml.ts';
import { type Definition, readBridges, readDisks } from './definition.ts';
import { checkSchema } from './domain-schema.ts';
import type { HostFacts } from './facts.ts';
import { CODES, internalError, LibvirtFailure, unsupportedConfig, xmlError } from './failure.ts';
import { readMetadata } from './metadata.ts';
import { renderRest } from './rest-of-domain.ts';
import { bytesAt, parseRoot } from './xml-document.ts';

const DOMAIN_TYPES = ['qemu', 'kvm', 'xen', 'lxc', 'vz', 'bhyve', 'vmware', 'hyperv', 'test'];
const MAX_VCPUS = 288;
/** QEMU gets its memory in MiB. */
const MEMORY_STEP_KIB = 1024;

/** Reads a domain's XML as libvirt's define does, with its defaults and in its order of complaints. */
export function parseDefinition(xml: string, facts: HostFacts, validate: boolean): Definition {
  const domain = parseRoot(xml, { root: 'domain', what: 'domain_definition', origin: 'domain' });
  if (validate) checkSchema(domain);
  const type = readType(domain);
  const uuid = readUuid(domain);
  const name = readName(domain);
  const memory = readMemory(domain);
  const vcpus = readVcpus(domain);
  const machine = readMachine(domain, facts);
  checkDisks(domain);
  fillMacs(domain);
  checkEmulator(type, facts);
  if (vcpus.maxVcpus > MAX_VCPUS) {
    const limit = `Maximum CPUs greater than specified machine type limit ${MAX_VCPUS}`;
    throw unsupportedConfig('qemu', limit);
  }
  const title = textAt(domain, 'title');
  const description = textAt(domain, 'description');
  const metadata = elementAt(domain, 'metadata');
  return {
    type,
    name,
    uuid,
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    ...(metadata === undefined ? {} : { metadata: readMetadata(metadata) }),
    ...memory,
    ...vcpus,
    disks: readDisks(domain),
    bridges: readBridges(domain),
    rest: renderRest(domain, machine, facts),
  };
}

function readType(domain: Element): string {
  const type = attribute(domain, 'type');
  if (type === undefined) throw internalError('domain', 'missing domain type attribute');
  if (!DOMAIN_TYPES.includes(type)) throw unsupportedConfig('domain', `invalid domain type ${type}`);
  return type;
}

function checkEmulator(type: string, { virtType, emulator }: HostFacts): void {
  if (type === 'qemu' || (type === 'kvm' && virtType === 'kvm')) return;
  throw unsupportedConfig('qemu', `Emulator '${emulator}' does not support virt type '${type}'`);
}

function readUuid(domain: Element): string {
  const text = textAt(domain, 'uuid');
  if (text === undefined) return randomUUID();
  const hex = text.replaceAll('-', '').toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(hex)) throw internalError('domain', 'malformed uuid element');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function readName(domain: Element): string {
  const name = elementAt(domain, 'name')?.textContent ?? '';
  if (name === '') throw new LibvirtFailure(CODES.NO_NAME, 'domain', 'missing name information');
  if (name.includes('/')) throw xmlError('domain', `name ${name} cannot contain '/'`);
  return name;
}

function readMemory(domain: Element): { maxMemoryKiB: number; memoryKiB: number } {
  const bytes = bytesAt(domain, 'memory', 'KiB') ?? 0;
  if (bytes === 0) {
    throw xmlError('domain', 'Memory size must be specified via <memory> or in the <numa> configuration');
  }
  const maxMemoryKiB = Math.ceil(bytes / 1024 / MEMORY_STEP_KIB) * MEMORY_STEP_KIB;
  const currentKiB = Math.ceil((bytesAt(domain, 'currentMemory', 'KiB') ?? 0) / 1024);
  return { maxMemoryKiB, memoryKiB: currentKiB === 0 ? maxMemoryKiB : Math.min(currentKiB, maxMemoryKiB) };
}

function readVcpus(domain: Element): { maxVcpus: number; vcpus: number } {
  const element = elementAt(domain, 'vcpu');
  const text = element?.textContent?.trim() ?? '1';
  const maxVcpus = Number(text);
  if (!/^\d+$/.test(text) || maxVcpus === 0)
    throw internalError('domain', 'CPU IDs in <numa> exceed the <vcpu> count');
  const vcpus = Number(attribute(element, 'current') ?? maxVcpus);
  if (vcpus > maxVcpus)
    throw internalError('domain', `maxvcpus must not be less than current vcpus (${maxVcpus} < ${vcpus})`);
  return { maxVcpus, vcpus };
}

function readMachine(domain: Element, { arch }: HostFacts): string {
  const type = elementAt(domain, 'os', 'type');
  if (type === undefined) throw xmlError('domain', 'an os <type> must be specified');
  const wanted = attribute(type, 'arch') ?? arch;
  if (wanted !== arch) throw unsupportedConfig('qemu', `No emulator found for arch '${wanted}'`);
  const machine = attribute(type, 'machine') ?? 'pc';
  if (arch !== 'x86_64') return machine;
  const canonical = { pc: 'pc-i440fx-7.2', q35: 'pc-q35-7.2' }[machine] ?? machine;
  if (!/^pc-(i440fx|q35)-[2-7]\.\d+$/.test(canonical)) throw noPciBus(domain);
  return canonical;
}

/** A definition that names its slots fails earlier, at the first of them. */
function noPciBus(domain: Element): Error {
  const controllers = elementsAt(domain, 'devices', 'controller');
  const namesSlots = controllers.some((controller) => attribute(controller, 'type') === 'pci');
  return namesSlots
    ? unsupportedConfig('qemu', 'PCI controllers are not supported by this machine type')
    : xmlError('domain', 'No PCI buses available');
}

function checkDisks(domain: Element): void {
  const seen = new Map<string, string>();
  for (const disk of elementsAt(domain, 'devices', 'disk')) {
    const source = attribute(elementAt(disk, 'source'), 'file') ?? '';
    const target = attribute(elementAt(disk, 'target'), 'dev');
    if (target === undefined) {
      const message = `missing target information for device ${source}`;
      throw new LibvirtFailure(CODES.NO_TARGET, 'domain', message);
    }
    const other = seen.get(target);
    if (other !== undefined)
      throw xmlError('domain', `target '${target}' duplicated for disk sources '${other}' and '${source}'`);
    seen.set(target, source);
  }
}

/** libvirt makes up a MAC address for each interface that has none, anew on each define. */
function fillMacs(domain: Element): void {
  for (const nic of elementsAt(domain, 'devices', 'interface')) {
    const mac = elementAt(nic, 'mac');
    if (mac === undefined) insertMac(nic);
    else checkMac(attribute(mac, 'address') ?? '');
  }
}

function insertMac(nic: Element): void {
  const mac = nic.ownerDocument?.createElement('mac');
  if (mac === undefined) return;
  mac.setAttribute(
    'address',
    `52:54:00:${randomBytes(3)
      .toString('hex')
      .replace(/..(?=.)/g, '$&:')}`,
  );
  nic.insertBefore(mac, nic.firstChild);
}

function checkMac(address: string): void {
  if (!/^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(address))
    throw xmlError('domain', `unable to parse mac address '${address}'`);
  if ((Number.parseInt(address, 16) & 1) === 1)
    throw xmlError('domain', `expected unicast mac address, found multicast '${address}'`);
}
