import type { Element } from '@xmldom/xmldom';
import { attribute, elementAt, elementsAt, escapeXml } from '../core/xml.ts';
import type { Metadata } from './metadata.ts';

/** A disk, as far as it matters here. */
export interface DiskDefinition {
  readonly target: string;
  /** Path of its file; absent for an empty drive and for other kinds of source. */
  readonly file?: string;
  readonly writable: boolean;
  readonly shareable: boolean;
}

/** A domain's definition: what the simulator reasons about, and the rest as text. Never changed, only replaced. */
export interface Definition {
  readonly type: string;
  readonly name: string;
  readonly uuid: string;
  readonly title?: string;
  readonly description?: string;
  /** Undefined: there is no `<metadata>`. */
  readonly metadata?: Metadata;
  readonly maxMemoryKiB: number;
  readonly memoryKiB: number;
  readonly maxVcpus: number;
  readonly vcpus: number;
  readonly disks: readonly DiskDefinition[];
  readonly bridges: readonly string[];
  /** All from `<os>` on, in libvirt's layout. */
  readonly rest: string;
}

/** What libvirt shows of a domain only while it runs. */
interface LiveFacts {
  readonly id: number;
  /** The guest has opened its agent's channel. */
  readonly hasAgent: boolean;
}

/** The domain's XML as libvirt writes it; `live` is of a running domain. */
export function renderDefinition(definition: Definition, live?: LiveFacts): string {
  const { title, description, metadata, maxVcpus, vcpus } = definition;
  const lines = [
    `<domain type='${definition.type}'${live === undefined ? '' : ` id='${live.id}'`}>`,
    `  <name>${escapeXml(definition.name)}</name>`,
    `  <uuid>${definition.uuid}</uuid>`,
    ...(title === undefined ? [] : [`  <title>${escapeXml(title)}</title>`]),
    ...(description === undefined ? [] : [`  <description>${escapeXml(description)}</description>`]),
    ...(metadata === undefined ? [] : [renderMetadata(metadata)]),
    `  <memory unit='KiB'>${definition.maxMemoryKiB}</memory>`,
    `  <currentMemory unit='KiB'>${definition.memoryKiB}</currentMemory>`,
    `  <vcpu placement='static'${vcpus === maxVcpus ? '' : ` current='${vcpus}'`}>${maxVcpus}</vcpu>`,
    live === undefined ? definition.rest : withChannelState(definition.rest, live),
    '</domain>\n',
  ];
  return lines.join('\n');
}

function withChannelState(rest: string, { hasAgent }: LiveFacts): string {
  const state = hasAgent ? 'connected' : 'disconnected';
  return rest.replace(/(<target type='virtio' name='org\.qemu\.guest_agent\.0')\/>/, `$1 state='${state}'/>`);
}

function renderMetadata(metadata: Metadata): string {
  if (metadata.length === 0) return '  <metadata/>';
  return `  <metadata>\n${metadata.map(({ xml }) => `    ${xml}`).join('\n')}\n  </metadata>`;
}

/** The disks, CD-ROM drives included. */
export function readDisks(domain: Element): DiskDefinition[] {
  return elementsAt(domain, 'devices', 'disk').map((disk) => {
    const file = attribute(elementAt(disk, 'source'), 'file');
    const device = attribute(disk, 'device') ?? 'disk';
    return {
      target: attribute(elementAt(disk, 'target'), 'dev') ?? '',
      ...(file === undefined ? {} : { file }),
      writable: device === 'disk' && elementAt(disk, 'readonly') === undefined,
      shareable: elementAt(disk, 'shareable') !== undefined,
    };
  });
}

/** The bridges that its interfaces are plugged into. */
export function readBridges(domain: Element): string[] {
  return elementsAt(domain, 'devices', 'interface', 'source').flatMap(
    (source) => attribute(source, 'bridge') ?? [],
  );
}
