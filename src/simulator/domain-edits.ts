import { METADATA } from '../libvirt/protocol/domain.ts';
import type { Definition } from './definition.ts';
import { CONFIG, type Domain, edit, impactOf, LIVE } from './domain.ts';
import { CODES, internalError, invalidArgument, LibvirtFailure, wrongState } from './failure.ts';
import { bareElement, noMetadata, replaceElement } from './metadata.ts';

/** VIR_DOMAIN_MEM_MAXIMUM and VIR_DOMAIN_VCPU_MAXIMUM. */
const MAXIMUM = 4;
const GUEST = 8;

export interface MetadataChange {
  readonly type: number;
  readonly metadata: string | undefined;
  readonly key: string | undefined;
  readonly uri: string | undefined;
  readonly flags: number;
}

/** Sets or removes the title, the description, or the element of a namespace. */
export function setMetadata(domain: Domain, { type, metadata, key, uri, flags }: MetadataChange): void {
  if (type === METADATA.title && metadata?.includes('\n'))
    throw invalidArgument('domain', "metadata title can't contain newlines");
  if (type === METADATA.element && uri === undefined)
    throw invalidArgument('domain', 'uri in virDomainSetMetadata must not be NULL');
  if (type === METADATA.element && metadata !== undefined && key === undefined)
    throw invalidArgument('domain', 'key in virDomainSetMetadata must not be NULL');
  edit(domain, flags, (definition) => withMetadata(definition, { type, metadata, key, uri: uri ?? '' }));
}

function withMetadata(
  definition: Definition,
  { type, metadata, key, uri }: Omit<MetadataChange, 'flags' | 'uri'> & { readonly uri: string },
): Definition {
  if (type === METADATA.element) {
    const change = { uri, key, xml: metadata };
    return { ...definition, metadata: replaceElement(definition.metadata ?? [], change) };
  }
  const { title, description, ...others } = definition;
  const texts = type === METADATA.title ? { title: metadata, description } : { title, description: metadata };
  return { ...others, ...definedOnly(texts) };
}

function definedOnly(texts: { title: string | undefined; description: string | undefined }): {
  title?: string;
  description?: string;
} {
  return {
    ...(texts.title ? { title: texts.title } : {}),
    ...(texts.description ? { description: texts.description } : {}),
  };
}

/** The title, the description, or the element of a namespace. */
export function getMetadata(
  domain: Domain,
  { type, uri, flags }: Pick<MetadataChange, 'type' | 'uri' | 'flags'>,
): string {
  if (![METADATA.description, METADATA.title, METADATA.element].some((known) => known === type))
    throw invalidArgument('domain', `invalid argument: unknown metadata type '${type}'`);
  if (type === METADATA.element && uri === undefined)
    throw invalidArgument('domain', 'uri in virDomainGetMetadata must not be NULL');
  const definition = theOne(domain, flags);
  if (type === METADATA.element) return bareElement(definition.metadata ?? [], uri ?? '');
  const text = type === METADATA.title ? definition.title : definition.description;
  if (text === undefined) throw noMetadata();
  return text;
}

export function setMemory(domain: Domain, memoryKiB: number, flags: number): void {
  if (memoryKiB === 0) throw invalidArgument('domain', 'memory in virDomainSetMemoryFlags must not be zero');
  const { live } = impactOf(domain, flags);
  const maximum = (flags & MAXIMUM) !== 0;
  if (maximum && live) throw wrongState('qemu', 'cannot resize the maximum memory on an active domain');
  edit(domain, flags, (definition) => {
    if (maximum)
      return { ...definition, maxMemoryKiB: memoryKiB, memoryKiB: Math.min(memoryKiB, definition.memoryKiB) };
    if (memoryKiB > definition.maxMemoryKiB)
      throw invalidArgument('qemu', 'invalid argument: cannot set memory higher than max memory');
    return { ...definition, memoryKiB };
  });
}

export function setVcpus(domain: Domain, vcpus: number, flags: number): void {
  if (vcpus === 0) throw invalidArgument('domain', 'nvcpus in virDomainSetVcpusFlags must not be zero');
  if ((flags & GUEST) !== 0) throw agentMissing();
  const maximum = (flags & MAXIMUM) !== 0;
  if (maximum && (flags & CONFIG) === 0) {
    const what = "Flag 'VIR_DOMAIN_AFFECT_CONFIG' is required by flag 'VIR_DOMAIN_VCPU_MAXIMUM'";
    throw invalidArgument('domain', what);
  }
  const { live } = impactOf(domain, flags);
  if (maximum && live)
    throw invalidArgument(
      'domain',
      "Flags 'VIR_DOMAIN_AFFECT_LIVE' and 'VIR_DOMAIN_VCPU_MAXIMUM' are mutually exclusive",
    );
  if (live && domain.run !== undefined && vcpus < domain.run.definition.vcpus)
    throw internalError(
      'qemu',
      "unable to execute QEMU command 'device_del': acpi: device unplug request for not supported device type: max-x86_64-cpu",
    );
  edit(domain, flags, (definition) => {
    if (maximum) return { ...definition, maxVcpus: vcpus, vcpus: Math.min(vcpus, definition.vcpus) };
    checkVcpus(definition, vcpus, live);
    return { ...definition, vcpus };
  });
}

function checkVcpus({ maxVcpus }: Definition, vcpus: number, live: boolean): void {
  if (vcpus <= maxVcpus) return;
  const which = live ? 'live' : 'persistent';
  const what = `requested vcpus is greater than max allowable vcpus for the ${which} domain`;
  throw invalidArgument('qemu', `invalid argument: ${what}: ${vcpus} > ${maxVcpus}`);
}

export function getVcpus(domain: Domain, flags: number): number {
  if ((flags & GUEST) !== 0) throw agentMissing();
  const { maxVcpus, vcpus } = theOne(domain, flags);
  return (flags & MAXIMUM) === 0 ? vcpus : maxVcpus;
}

/** virDomainInterfaceAddressesSource: the one that asks the guest. */
const AGENT = 1;

/** Fails where nothing can be said of a domain's addresses. No simulated guest has an agent, or a lease of libvirt's. */
export function requireAddresses({ run }: Domain, source: number): void {
  if (run === undefined) throw wrongState('domain', 'domain is not running');
  if (source === AGENT) throw agentMissing();
}

/** The definition that a question is about. */
function theOne(domain: Domain, flags: number): Definition {
  const { config } = impactOf(domain, flags & (LIVE | CONFIG));
  const definition = config ? domain.config : domain.run?.definition;
  if (definition === undefined) throw new TypeError(`domain ${domain.name} has no such definition`);
  return definition;
}

function agentMissing(): LibvirtFailure {
  const message = 'Guest agent is not responding: QEMU guest agent is not connected';
  return new LibvirtFailure(CODES.AGENT_UNRESPONSIVE, 'qemu', message);
}
