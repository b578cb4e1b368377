import type { Element } from '@xmldom/xmldom';
import { CODES, LibvirtFailure } from './failure.ts';
import { childElements } from './xml-document.ts';

/** The children of `<domain>` that libvirt's schema knows. */
const DOMAIN = new Set(
  `name uuid genid title description metadata memory currentMemory maxMemory vcpu vcpus iothreads iothreadids
  defaultiothread cputune blkiotune memtune memoryBacking numatune resource sysinfo bootloader bootloader_args os idmap
  features cpu clock on_poweroff on_reboot on_crash on_lockfailure pm perf devices seclabel keywrap launchSecurity`.split(
    /\s+/,
  ),
);

/** The children of `<devices>` that it knows. */
const DEVICES = new Set(
  `emulator disk controller lease filesystem interface serial parallel console channel input tpm graphics sound audio
  video hostdev redirdev redirfilter smartcard hub watchdog memballoon rng shmem memory iommu panic vsock crypto nvram`.split(
    /\s+/,
  ),
);

/** True for an element that libvirt keeps; it drops others without a word, unless it is asked to validate. */
export function isKnown(element: Element): boolean {
  const names = element.parentNode?.nodeName === 'devices' ? DEVICES : DOMAIN;
  return names.has(element.nodeName);
}

/** Fails as libvirt does when an element stands in `<domain>` or `<devices>` that does not belong there. Looks no deeper. */
export function checkSchema(domain: Element): void {
  for (const element of childElements(domain)) {
    if (element.namespaceURI === null && !isKnown(element))
      throw invalid(`Element domain has extra content: ${element.nodeName}`);
    if (element.nodeName === 'devices' && !childElements(element).every(isKnown))
      throw invalid('Extra element devices in interleave\nElement domain failed to validate content');
  }
}

function invalid(reason: string): LibvirtFailure {
  return new LibvirtFailure(
    CODES.XML_INVALID_SCHEMA,
    'xml',
    `XML document failed to validate against schema: Unable to validate doc against /usr/share/libvirt/schemas/domain.rng\n${reason}\n`,
  );
}
