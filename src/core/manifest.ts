import { z } from 'zod';
import { cloudInitSchema, hostnameViaField } from './cloud-init.ts';
import * as field from './fields.ts';

const diskSchema = z
  .strictObject(
    {
      sizeGb: field
        .memoryGb()
        .describe('Size in GiB; a fraction must come to whole MiB. It can grow, not shrink.'),
      pool: field
        .storageName('a pool name')
        .optional()
        .describe("Storage pool in which the disk is made. Absent: the VM's."),
      target: field
        .diskTarget()
        .optional()
        .describe('Which disk it is in the guest: vdb, vdc, ... Absent: the next letter that is free.'),
    },
    'an object with sizeGb',
  )
  .describe('A data disk; of a VM with a uuid any disk.');

const networkSchema = z
  .strictObject(
    {
      bridge: field
        .interfaceName()
        .optional()
        .describe('Bridge on the host. Absent: that of the host, else defaults.bridge, else br0.'),
      mac: field.mac().optional().describe('MAC address. Absent: derived from cluster, name and number.'),
    },
    'an object with bridge and mac',
  )
  .describe('A network card.');

/** One VM as people write it. Which field means what when it is absent: see resolve-vm.ts. */
export const vmSpecSchema = z
  .strictObject(
    {
      name: field
        .label('a VM name')
        .describe(
          'Name of the VM: unique in the repository, and part of its identity. Another name is another VM.',
        ),
      hostname: field
        .hostname('web-1.tdh.internal')
        .optional()
        .describe('Host name of the guest, for DHCP and DNS. Absent: the name. Unique in the repository.'),
      ipaddress: field
        .ipv4()
        .describe('IPv4 address that DHCP gives to the guest. Unique in the repository.'),
      description: field.prose().optional().describe('What the VM is for, for people.'),
      vcpus: field.wholeNumber(1, 512).describe('Number of virtual CPUs.'),
      memoryGb: field.memoryGb().describe('Memory in GiB; a fraction must come to whole MiB.'),
      maxMemoryGb: field
        .memoryGb()
        .optional()
        .describe('GiB up to which memory can grow without a restart. Absent: memoryGb.'),
      numDisks: field
        .wholeNumber(0, 24)
        .optional()
        .describe('Number of data disks (vdb, vdc, ...) beside the boot disk. Absent: 0.'),
      diskSize: field
        .wholeNumber(0, 65_536)
        .optional()
        .describe('Size of each data disk in GiB. More than 0 where numDisks is.'),
      disks: z
        .array(diskSchema, 'a list of disks')
        .max(24, 'at most 24 disks')
        .optional()
        .describe('The data disks one by one, instead of numDisks and diskSize.'),
      bootDiskGb: field
        .wholeNumber(1, 65_536)
        .optional()
        .describe('Size of the boot disk in GiB. Absent: defaults.bootDiskGb, else as large as the image.'),
      image: field
        .label('an image name')
        .optional()
        .describe('Base image of the boot disk: a key of "images" in cluster.yaml. Absent: defaults.image.'),
      clone: field
        .oneOf(['overlay', 'full'])
        .optional()
        .describe(
          'overlay: a thin disk over the image, made at once; full: a copy that stands alone. Absent: defaults.clone, else overlay.',
        ),
      pool: field
        .storageName('a pool name')
        .optional()
        .describe(
          "Storage pool of the VM's disks. Absent: that of the host, else defaults.pool, else default.",
        ),
      bridge: field
        .interfaceName()
        .optional()
        .describe(
          'Bridge that the VM is plugged into. Absent: that of the host, else defaults.bridge, else br0.',
        ),
      mac: field
        .mac()
        .optional()
        .describe('MAC address. Absent: derived from cluster and name, and kept. Unique in the repository.'),
      uuid: field
        .uuid()
        .optional()
        .describe(
          'Of a VM that was there before this repository: its libvirt uuid, by which it is adopted. Such a VM has no image, and lists all its disks. `kvm-gitops adopt` writes it.',
        ),
      networks: z
        .array(networkSchema, 'a list of objects with bridge and mac')
        .max(8, 'a list of at most 8 network cards')
        .optional()
        .describe('Its network cards, instead of `bridge` and `mac`. Absent: one card.'),
      power: field
        .oneOf(['on', 'off', 'manual'])
        .optional()
        .describe(
          'on and off are held to; manual: a person starts and stops it. Absent: defaults.power, else on.',
        ),
      autostart: field
        .flag()
        .optional()
        .describe(
          'Start the VM when its host boots. Absent: defaults.autostart, else true; false where power is off.',
        ),
      antiAffinity: z
        .array(field.label('a group name'), 'a list of group names')
        .optional()
        .describe('Groups of VMs of which no two may be on one host, such as the members of one database.'),
      restart: field
        .oneOf(['never', 'allowed'])
        .optional()
        .describe(
          'allowed: the VM is shut down and started for a change that it only shows from its next start on. Absent: defaults.restart, else never.',
        ),
      force: field
        .oneOf(['never', 'allowed'])
        .optional()
        .describe(
          "Whether its plug is pulled when it does not shut down in time. Absent: defaults.force, else force of the operator's configuration.",
        ),
      dependsOn: z
        .array(field.label('a VM name'), 'a list of VM names')
        .optional()
        .describe('VMs that run before it is started, and that are stopped after it. Absent: none.'),
      hostnameVia: hostnameViaField().describe(
        'How the guest learns its host name. Absent: defaults.hostnameVia, else cloud-init where it has a seed, else dhcp.',
      ),
      cloudInit: cloudInitSchema
        .optional()
        .describe(
          'What cloud-init does in the guest at its first boot; its keys win over defaults.cloudInit.',
        ),
      snapshots: z
        .array(
          field.label('a snapshot name').describe('Name of a snapshot of all disks of the VM.'),
          'a list of snapshot names',
        )
        .max(8, 'at most 8 snapshot names')
        .refine((names) => new Set(names).size === names.length, 'snapshot names that are all different')
        .optional()
        .describe(
          'Snapshots of its disks: a new name is taken, a name that goes is merged into the disks. Absent: none.',
        ),
      protect: field
        .flag()
        .optional()
        .describe('Its removal always waits for a confirmation. Absent: false.'),
      drift: field
        .oneOf(['heal', 'report'])
        .optional()
        .describe(
          'What is done where somebody changes the VM on its host: put it back, or only report it. Absent: defaults.drift, else heal.',
        ),
      migration: field
        .oneOf(['offline', 'live', 'live-if-possible'])
        .optional()
        .describe(
          'How it gets to another host while it runs: shut down, live, or live where that can be. Absent: defaults.migration, else offline.',
        ),
    },
    'an object that describes a VM',
  )
  .describe('A virtual machine.');

/** Some VMs of one host; a host may stand in several groups and files. */
export const groupSchema = z
  .strictObject(
    {
      host: field.hostname('t01').describe("The KVM host: a name from the operator's configuration."),
      vmspecs: z.array(vmSpecSchema, 'a list of VMs').describe('The VMs of this host.'),
    },
    'an object with "host" and "vmspecs"',
  )
  .describe('VMs of one host.');

/** A whole manifest file. */
export const manifestSchema = z.array(groupSchema, 'a list of objects with "host" and "vmspecs"').meta({
  title: 'kvm-gitops manifest',
  description: 'Which VMs live on which KVM host. All manifests of the repository are merged.',
});

export type VmSpec = z.infer<typeof vmSpecSchema>;
