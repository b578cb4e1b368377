import { describe, expect, it } from 'vitest';
import { buildDesired } from '../../src/core/build-desired.ts';

const CLUSTER = {
  path: 'cluster.yaml',
  content:
    'cluster: lab\nimages: {base: {pool: default, volume: base.qcow2}}\ndefaults: {image: base}\nhosts: {a: {}, b: {}}\n',
};

function issuesOf(vms: readonly { host: string; name: string; groups: string }[]) {
  const lines = vms.map(
    ({ host, name, groups }, index) =>
      `- {host: ${host}, vmspecs: [{name: ${name}, ipaddress: 10.0.0.${index + 1}, vcpus: 1, memoryGb: 1, antiAffinity: [${groups}]}]}`,
  );
  const built = buildDesired([CLUSTER, { path: 'manifests/vms.yaml', content: `${lines.join('\n')}\n` }]);
  return built.ok ? [] : built.issues.map(({ line, message }) => `${line}: ${message}`);
}

describe('anti-affinity', () => {
  it('lets VMs of one group stand on different hosts, and of different groups on one', () => {
    const vms = [
      { host: 'a', name: 'db-1', groups: 'db' },
      { host: 'b', name: 'db-2', groups: 'db' },
      { host: 'a', name: 'web-1', groups: 'web' },
    ];
    expect(issuesOf(vms)).toEqual([]);
  });

  it('is broken by two VMs of a group on one host; the later one says where the earlier one is', () => {
    const vms = [
      { host: 'a', name: 'db-1', groups: 'db' },
      { host: 'a', name: 'db-2', groups: 'web, db' },
    ];
    expect(issuesOf(vms)).toEqual([
      '2: antiAffinity of db-2: db-1 in manifests/vms.yaml:1 is of group "db" too, and both are on a',
    ]);
  });
});
