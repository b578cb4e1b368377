import type { HostPool } from './pools.ts';
import { escapeXml } from './xml.ts';

/** The definition of a pool that is not there yet. */
export function renderPool({ name, type, path, source }: HostPool): string {
  const mounted =
    source === undefined
      ? ''
      : `
  <source><host name='${escapeXml(source.host)}'/><dir path='${escapeXml(source.path)}'/><format type='auto'/></source>`;
  return `<pool type='${type}'>
  <name>${escapeXml(name)}</name>${mounted}
  <target><path>${escapeXml(path)}</path></target>
</pool>`;
}
