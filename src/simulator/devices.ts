import type { Element } from '@xmldom/xmldom';
import { attribute, elementAt, parseXml } from '../core/xml.ts';
import { type Definition, readBridges, readDisks } from './definition.ts';
import { CONFIG, type Domain, impactOf, LIVE, type Run, STATE } from './domain.ts';
import type { HostFacts } from './facts.ts';
import {
  CODES,
  internalError,
  invalidArgument,
  LibvirtFailure,
  operationFailed,
  unsupportedConfig,
  wrongState,
  xmlError,
} from './failure.ts';
import { checkLocks } from './start-checks.ts';
import type { Storage } from './storage.ts';
import { parseText, renderElement } from './xml-document.ts';

/** What the product's VMs have on the PCI bus beside disks and interfaces: USB, serial ports, balloon, random numbers. */
const OTHER_DEVICES = 4;
const BLOCK = { disk: /^ {4}<disk [^]*?<\/disk>\n/gm, interface: /^ {4}<interface [^]*?<\/interface>\n/gm };
type Kind = keyof typeof BLOCK;

export interface DeviceCall {
  readonly domain: Domain;
  readonly xml: string;
  readonly flags: number;
  readonly storage: Storage;
  readonly facts: HostFacts;
  readonly running: readonly Run[];
}

/** Puts a disk in: into the config, into what runs, or both; a refusal of one changes neither. */
export function attachDevice(call: DeviceCall): void {
  const { element, kind } = readDevice(call.xml);
  if (kind !== 'disk') throw unsupportedConfig('qemu', `live attach of device '${kind}' is not supported`);
  changeBoth(call, {
    config(definition) {
      const { target } = diskOf(element);
      if (definition.disks.some((disk) => disk.target === target))
        throw wrongState('qemu', `target ${target} already exists`);
      return withDevice(definition, element);
    },
    live: (run) => plugIn(call, run, element),
  });
}

function plugIn({ storage, running }: DeviceCall, run: Run, element: Element): Definition {
  const { target, file = '' } = diskOf(element);
  const same = run.definition.disks.find((disk) => disk.target === target);
  if (same !== undefined)
    throw xmlError('domain', `target '${target}' duplicated for disk sources '${same.file}' and '${file}'`);
  storage.checkReadable(file);
  run.slots ??= Math.max(rootPorts(run.definition), usedSlots(run.definition) + 1);
  if (usedSlots(run.definition) >= run.slots) throw internalError('domain', 'No more available PCI slots');
  const plugged = withDevice(run.definition, element);
  checkLocks({ ...plugged, disks: plugged.disks.filter((disk) => disk.target === target) }, running, {
    command: 'blockdev-add',
  });
  return plugged;
}

/** Takes a disk out. A paused guest does not let go of it, and libvirt does not say so. */
export function detachDevice(call: DeviceCall): void {
  const { element } = readDevice(call.xml);
  const { target } = diskOf(element);
  const without = (definition: Definition, missing: string) => {
    if (!definition.disks.some((disk) => disk.target === target)) throw deviceMissing('qemu', missing);
    return replaced(definition, 'disk', (disk) => (diskOf(disk).target === target ? undefined : disk));
  };
  changeBoth(call, {
    config: (definition) => without(definition, `no target device ${target}`),
    live(run) {
      const after = without(run.definition, `disk ${target} not found`);
      if (run.state !== STATE.paused && !call.domain.keepsDevices) return after;
      if (run.asked?.includes(target)) {
        const what = `Device virtio-disk${target.charCodeAt(2) - 97} is already in the process of unplug`;
        throw internalError('qemu', `unable to execute QEMU command 'device_del': ${what}`);
      }
      run.asked = [...(run.asked ?? []), target];
      return run.definition;
    },
  });
}

/** Puts another description in the place of an interface, which its MAC address names. */
export function updateDevice(call: DeviceCall): void {
  const { element, kind } = readDevice(call.xml);
  if (kind !== 'interface')
    throw unsupportedConfig('qemu', `persistent update of device '${kind}' is not supported`);
  const mac = macOf(element);
  const bridge = attribute(elementAt(element, 'source'), 'bridge') ?? '';
  const changed = (definition: Definition) => {
    let found = false;
    const after = replaced(definition, 'interface', (other) => {
      if (macOf(other) !== mac) return other;
      found = true;
      return element;
    });
    if (found) return after;
    const what = `no device found at address '(<null>)' matching MAC address '${mac}' and alias '(<null>)'`;
    throw deviceMissing('domain', what);
  };
  changeBoth(call, {
    config: changed,
    live(run) {
      const after = changed(run.definition);
      if (call.facts.bridges?.includes(bridge) === false)
        throw operationFailed('qemu', `bridge ${bridge} doesn't exist`);
      return after;
    },
  });
}

/** Gives a disk that is in use another size, larger or smaller: nobody is asked. */
export function resizeDisk(
  { domain, storage }: Pick<DeviceCall, 'domain' | 'storage'>,
  { disk, size }: { readonly disk: string; readonly size: number },
): void {
  const { run } = domain;
  if (run === undefined) throw wrongState('domain', 'domain is not running');
  const path = run.definition.disks.find(({ target }) => target === disk)?.file;
  const file = path === undefined ? undefined : storage.file(path);
  if (path === undefined || file === undefined)
    throw invalidArgument('qemu', `invalid argument: disk '${disk}' was not found in the domain config`);
  const physicalBytes = file.format === 'raw' ? size : file.physicalBytes;
  storage.putFile(path, { ...file, capacityBytes: size, physicalBytes });
}

interface Change {
  readonly config: (definition: Definition) => Definition;
  readonly live: (run: Run) => Definition;
}

/** Both are worked out, the config first, before one is written. */
function changeBoth({ domain, flags }: DeviceCall, change: Change): void {
  const { live, config } = impactOf(domain, flags & (LIVE | CONFIG));
  const newConfig = config && domain.config !== undefined ? change.config(domain.config) : undefined;
  const newRun = live && domain.run !== undefined ? change.live(domain.run) : undefined;
  if (newConfig !== undefined) domain.config = newConfig;
  if (newRun !== undefined && domain.run !== undefined) domain.run.definition = newRun;
}

function readDevice(xml: string): { element: Element; kind: Kind } {
  const element = parseText(xml, 'device_definition', 'domain');
  const kind = element.nodeName;
  if (kind === 'disk' || kind === 'interface') return { element, kind };
  throw unsupportedConfig('domain', `unknown device type '${kind}'`);
}

function diskOf(element: Element): { readonly target: string; readonly file?: string } {
  const file = attribute(elementAt(element, 'source'), 'file');
  const target = attribute(elementAt(element, 'target'), 'dev') ?? '';
  return { target, ...(file === undefined ? {} : { file }) };
}

function macOf(element: Element): string | undefined {
  return attribute(elementAt(element, 'mac'), 'address')?.toLowerCase();
}

function withDevice(definition: Definition, element: Element): Definition {
  const text = `    ${render(element)}\n`;
  const last = [...definition.rest.matchAll(BLOCK.disk)].at(-1);
  const at = last === undefined ? definition.rest.lastIndexOf('  </devices>') : last.index + last[0].length;
  return reread(definition, definition.rest.slice(0, at) + text + definition.rest.slice(at));
}

/** The devices of a kind, each as `change` gives it back; undefined: it is gone. */
function replaced(
  definition: Definition,
  kind: Kind,
  change: (element: Element) => Element | undefined,
): Definition {
  const rest = definition.rest.replace(BLOCK[kind], (block) => {
    const element = parseXml(block.trim());
    const after = change(element);
    return after === element ? block : after === undefined ? '' : `    ${render(after)}\n`;
  });
  return reread(definition, rest);
}

function render(element: Element): string {
  return renderElement(element, { quote: "'", depth: 2 });
}

function reread(definition: Definition, rest: string): Definition {
  const domain = parseXml(`<domain>${rest}</domain>`);
  return { ...definition, rest, disks: readDisks(domain), bridges: readBridges(domain) };
}

/** libvirt leaves one port free on the PCI Express bus, unless the definition has more. */
function rootPorts({ rest }: Definition): number {
  return rest.match(/model='pcie-root-port'/g)?.length ?? 0;
}

function usedSlots({ disks, bridges }: Definition): number {
  return disks.length + bridges.length + OTHER_DEVICES;
}

function deviceMissing(origin: 'qemu' | 'domain', what: string): LibvirtFailure {
  return new LibvirtFailure(CODES.DEVICE_MISSING, origin, `device not found: ${what}`);
}
