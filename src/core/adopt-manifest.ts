import { Document } from 'yaml';
import type { VmSpec } from './manifest.ts';

/** A manifest file of the VMs of one host: YAML for people, or JSON where the file is to be called so. */
export function renderManifest(host: string, specs: readonly VmSpec[], path = ''): string {
  if (path.toLowerCase().endsWith('.json')) return `${JSON.stringify([{ host, vmspecs: specs }], null, 2)}\n`;
  const document = new Document();
  document.commentBefore = ` VMs that were on ${host} before: each is adopted by its uuid.`;
  const inOneLine = (items: readonly object[]) =>
    items.map((item) => document.createNode(item, { flow: true }));
  const vmspecs = specs.map(({ name, uuid, disks = [], networks = [], ...spec }) => ({
    name,
    uuid,
    ...spec,
    ...(disks.length > 0 && { disks: inOneLine(disks.map(({ target, ...disk }) => ({ target, ...disk }))) }),
    ...(networks.length > 0 && { networks: inOneLine(networks) }),
  }));
  document.contents = document.createNode([{ host, vmspecs }]);
  return document.toString({ lineWidth: 0 });
}
