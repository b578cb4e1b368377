import { XMLSerializer } from '@xmldom/xmldom';
import { attribute, elementAt, elementsAt, parseXml } from './xml.ts';

/** The definition with one card changed, and that card alone; undefined where it has none with that MAC address. */
export function withNic(
  xml: string,
  mac: string,
  to: { readonly mac?: string; readonly bridge?: string },
): { readonly domain: string; readonly nic: string } | undefined {
  const domain = parseXml(xml);
  const nic = elementsAt(domain, 'devices', 'interface').find(
    (element) => attribute(elementAt(element, 'mac'), 'address')?.toLowerCase() === mac,
  );
  if (nic === undefined) return undefined;
  if (to.mac !== undefined) elementAt(nic, 'mac')?.setAttribute('address', to.mac);
  const source = elementAt(nic, 'source');
  if (to.bridge !== undefined && source !== undefined) {
    nic.setAttribute('type', 'bridge');
    for (const name of [...source.attributes].map((one) => one.name)) source.removeAttribute(name);
    source.setAttribute('bridge', to.bridge);
  }
  const serializer = new XMLSerializer();
  return { domain: serializer.serializeToString(domain), nic: serializer.serializeToString(nic) };
}
