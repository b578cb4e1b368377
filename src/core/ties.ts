import type { Element } from '@xmldom/xmldom';
import { attribute, elementAt, elementsAt } from './xml.ts';

/** What of a definition another host does not have, or what cannot be brought there; each in words. Empty: nothing. */
export function readTies(domain: Element): string[] {
  const devices = elementAt(domain, 'devices');
  if (devices === undefined) return [];
  return [
    ...firmware(domain),
    ...elementsAt(devices, 'disk').flatMap(diskTie),
    ...elementsAt(devices, 'interface').flatMap(cardTie),
    ...elementsAt(devices, 'tpm').map(() => 'the state of its TPM is a file that only its host can reach'),
    ...elementsAt(devices, 'hostdev').map(() => 'it has a device of its host'),
    ...elementsAt(devices, 'filesystem').map(() => 'it shares a folder of its host'),
  ];
}

/** libvirt gives away the files of its pools, and UEFI's variables are in none. */
function firmware(domain: Element): string[] {
  const os = elementAt(domain, 'os');
  const isUefi =
    os !== undefined &&
    (attribute(os, 'firmware') === 'efi' ||
      elementAt(os, 'nvram') !== undefined ||
      attribute(elementAt(os, 'loader'), 'type') === 'pflash');
  return isUefi ? ['its UEFI variables are a file that only its host can reach'] : [];
}

function diskTie(disk: Element): string[] {
  const device = attribute(disk, 'device') ?? 'disk';
  const target = attribute(elementAt(disk, 'target'), 'dev') ?? device;
  const source = elementAt(disk, 'source');
  if (device !== 'disk')
    return source === undefined || source.attributes.length === 0
      ? []
      : [`a medium is in its ${device} ${target}: take it out`];
  return attribute(disk, 'type') === 'file' ? [] : [`its disk ${target} is no file`];
}

function cardTie(card: Element): string[] {
  const type = attribute(card, 'type') ?? '';
  if (type === 'bridge') return [];
  const mac = attribute(elementAt(card, 'mac'), 'address') ?? '?';
  return [`its network card ${mac} is on no bridge (${type})`];
}
