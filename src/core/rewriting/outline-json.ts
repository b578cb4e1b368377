import { type ArrayNode, type ObjectNode, parse, type ValueNode } from '@humanwhocodes/momoa';
import type { GroupOutline, ManifestOutline, VmOutline } from './manifest-outline.ts';
import type { Span } from './text-edits.ts';

/** Where the parts of a JSON manifest stand. */
export function outlineJson(text: string): ManifestOutline | undefined {
  const { body } = parse(text);
  if (body.type !== 'Array') return undefined;
  const groups = body.elements.map(({ value }) => groupOf(value));
  const found = groups.filter((group) => group !== undefined);
  return found.length === groups.length ? { ...spanOf(body), style: 'flow', groups: found } : undefined;
}

function groupOf(node: ValueNode): GroupOutline | undefined {
  if (node.type !== 'Object') return undefined;
  const host = memberOf(node, 'host')?.value;
  const vms = memberOf(node, 'vmspecs');
  if (host?.type !== 'String' || vms?.value.type !== 'Array') return undefined;
  return {
    ...spanOf(node),
    style: 'flow',
    host: { ...spanOf(host), name: host.value, isAnchor: false },
    keys: node.loc.start.offset,
    vms: {
      ...spanOf(vms.value),
      style: 'flow',
      keyEnd: vms.value.loc.start.offset,
      items: itemsOf(vms.value),
    },
  };
}

function itemsOf(node: ArrayNode): VmOutline[] {
  return node.elements.map(({ value }) => {
    const name = value.type === 'Object' ? memberOf(value, 'name')?.value : undefined;
    return { ...spanOf(value), name: name?.type === 'String' ? name.value : '' };
  });
}

function memberOf(node: ObjectNode, key: string) {
  return node.members.find(({ name }) => name.type === 'String' && name.value === key);
}

function spanOf({ loc }: ValueNode): Span {
  return { start: loc.start.offset, end: loc.end.offset };
}
