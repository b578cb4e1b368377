import type { Element } from '@xmldom/xmldom';
import { attribute, elementAt } from '../core/xml.ts';
import { isKnown } from './domain-schema.ts';
import type { HostFacts } from './facts.ts';
import { childElements, renderElement } from './xml-document.ts';

/** What libvirt writes of a domain after `<vcpu>`, in its order. */
const ORDER = [
  'iothreads',
  'cputune',
  'resource',
  'sysinfo',
  'os',
  'features',
  'cpu',
  'clock',
  'on_poweroff',
  'on_reboot',
  'on_crash',
  'pm',
  'devices',
  'seclabel',
];
const DEFAULTS: Readonly<Record<string, string>> = {
  clock: "<clock offset='utc'/>",
  on_poweroff: '<on_poweroff>destroy</on_poweroff>',
  on_reboot: '<on_reboot>restart</on_reboot>',
  on_crash: '<on_crash>destroy</on_crash>',
};

/**
 * All of a domain from `<os>` on, with the defaults that somebody may look for. The controllers and PCI addresses that
 * libvirt adds are left out.
 */
export function renderRest(domain: Element, machine: string, facts: HostFacts): string {
  setType(domain, machine, facts);
  const cpu = elementAt(domain, 'cpu');
  if (cpu !== undefined && attribute(cpu, 'check') === undefined)
    cpu.setAttribute('check', attribute(cpu, 'mode') === 'host-model' ? 'partial' : 'none');
  const elements = childElements(domain);
  return ORDER.flatMap((name) => {
    const found = elements.filter((element) => element.nodeName === name);
    if (name === 'devices') return [renderDevices(found[0], facts.emulator)];
    const texts = found.map((element) => renderElement(element, { quote: "'", depth: 1 }));
    return texts.length === 0 ? (DEFAULTS[name] ?? []) : texts;
  })
    .map((text) => `  ${text}`)
    .join('\n');
}

function setType(domain: Element, machine: string, { arch }: HostFacts): void {
  const type = elementAt(domain, 'os', 'type');
  type?.setAttribute('arch', arch);
  type?.setAttribute('machine', machine);
}

function renderDevices(devices: Element | undefined, emulator: string): string {
  const elements = devices === undefined ? [] : childElements(devices).filter(isKnown);
  const named = elements.find((element) => element.nodeName === 'emulator');
  const lines = [
    `<emulator>${named?.textContent?.trim() ?? emulator}</emulator>`,
    ...elements
      .filter((element) => element !== named)
      .map((element) => renderElement(element, { quote: "'", depth: 2 })),
  ];
  return `<devices>\n${lines.map((line) => `    ${line}`).join('\n')}\n  </devices>`;
}
