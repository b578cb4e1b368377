/** A cluster in which many keys are used. */
export const CLUSTER_YAML = `cluster: lab
hosts:
  t01: { reserve: { memoryGb: 2 } }
  t02:
images:
  base: { pool: default, volume: base.qcow2 }
defaults: { image: base, bridge: br0 }
`;

/** What is in `MANIFEST_YAML`. */
export function validManifest(): unknown {
  const web = {
    name: 'web-1',
    hostname: 'web-1.lab.internal',
    ipaddress: '10.0.1.11',
    vcpus: 2,
    memoryGb: 1.5,
    numDisks: 1,
    diskSize: 10,
    protect: true,
    restart: 'allowed',
  };
  const db = {
    name: 'db-1',
    hostname: 'db-1.lab.internal',
    ipaddress: '10.0.1.12',
    vcpus: 1,
    memoryGb: 1,
    disks: [{ sizeGb: 5 }, { sizeGb: 6 }],
    dependsOn: ['web-1'],
    power: 'off',
  };
  return [
    { host: 't01', vmspecs: [web, db] },
    { host: 't02', vmspecs: [] },
  ];
}

export const MANIFEST_YAML = `# comment
- host: t01
  vmspecs:
    - name: web-1
      hostname: web-1.lab.internal
      ipaddress: 10.0.1.11
      vcpus: 2
      memoryGb: 1.5
      numDisks: 1
      diskSize: 10
      protect: true
      restart: allowed
    - { name: db-1, hostname: db-1.lab.internal, ipaddress: 10.0.1.12, vcpus: 1, memoryGb: 1, disks: [{ sizeGb: 5 }], dependsOn: [web-1], power: "off" }
- host: t02
  vmspecs: []
`;
