import { z } from 'zod';
import { cloudInitSchema, hostnameViaField } from './cloud-init.ts';
import * as field from './fields.ts';

const reserveSchema = z
  .strictObject(
    {
      vcpus: field.numberBetween(0, 4096).optional().describe('Virtual CPUs. Absent: 0.'),
      memoryGb: field.numberBetween(0, 65_536).optional().describe('Memory in GiB. Absent: 0.'),
      diskGb: field.numberBetween(0, 10_000_000).optional().describe('GiB of each storage pool. Absent: 0.'),
    },
    'an object with vcpus, memoryGb and diskGb',
  )
  .describe('Kept free for the host itself.');

const ratioSchema = z
  .strictObject(
    {
      vcpu: field.numberBetween(0.1, 100).optional().describe('Virtual CPUs for each real one. Absent: 4.'),
      memory: field
        .numberBetween(0.1, 100)
        .optional()
        .describe('GiB for each real GiB of memory. Absent: 1.0.'),
      disk: field
        .numberBetween(0.1, 100)
        .optional()
        .describe('GiB for each real GiB of a pool. Absent: 1.0.'),
    },
    'an object with vcpu, memory and disk',
  )
  .describe('How much may be promised for each unit that there is.');

const pool = field.storageName('a pool name').optional();
const bridge = field.interfaceName().optional();

const defaultsSchema = z
  .strictObject(
    {
      image: field.label('an image name').optional().describe('Base image of VMs that name none.'),
      clone: field
        .oneOf(['overlay', 'full'])
        .optional()
        .describe('How a boot disk is made of its image. Absent: overlay.'),
      bootDiskGb: field
        .wholeNumber(1, 65_536)
        .optional()
        .describe('Size of a boot disk in GiB. Absent: as large as the image.'),
      pool: pool.describe('Storage pool of disks. Absent: default.'),
      bridge: bridge.describe('Bridge that VMs are plugged into. Absent: br0.'),
      power: field.oneOf(['on', 'off', 'manual']).optional().describe('Whether VMs run. Absent: on.'),
      autostart: field.flag().optional().describe('Start VMs when their host boots. Absent: true.'),
      restart: field
        .oneOf(['never', 'allowed'])
        .optional()
        .describe('Whether VMs are restarted for a change that they only show from then on. Absent: never.'),
      force: field
        .oneOf(['never', 'allowed'])
        .optional()
        .describe(
          "Whether the plug is pulled of VMs that do not shut down in time. Absent: as the operator's configuration says.",
        ),
      drift: field
        .oneOf(['heal', 'report'])
        .optional()
        .describe('What is done where somebody changes a VM on its host. Absent: heal.'),
      migration: field
        .oneOf(['offline', 'live', 'live-if-possible'])
        .optional()
        .describe(
          'How VMs that run get to another host: shut down, live, or live where that can be. Absent: offline.',
        ),
      hostnameVia: hostnameViaField().describe(
        'How guests learn their host names. Absent: cloud-init where they have a seed, else dhcp.',
      ),
      cloudInit: cloudInitSchema.optional().describe('What cloud-init does in guests at their first boot.'),
      reserve: reserveSchema.optional(),
      ratio: ratioSchema.optional(),
    },
    'an object of defaults',
  )
  .describe('What holds for VMs and hosts that do not say otherwise.');

const sourceSchema = z
  .strictObject(
    {
      host: field.hostname('nas').describe('The file server.'),
      path: field
        .absolutePath('the folder that the file server exports')
        .describe('The folder that it exports.'),
    },
    'an object with host and path',
  )
  .describe('What a pool of type netfs mounts.');

const poolFields = {
  type: field
    .oneOf(['dir', 'netfs'])
    .optional()
    .describe('dir: a folder of the host; netfs: a folder of a file server, mounted there. Absent: dir.'),
  path: field.absolutePath('the folder of a pool').describe('Folder of the pool on the host.'),
  autostart: field.flag().optional().describe('Start the pool when the host boots. Absent: true.'),
  source: sourceSchema.optional(),
};

const poolSchema = z.strictObject(poolFields, 'an object with path').describe('A storage pool.');

/** What a host says differently of a pool. */
const hostPoolSchema = z
  .strictObject({ ...poolFields, path: poolFields.path.optional() }, 'an object, or null: not on this host')
  .describe('What is different about a pool on this host; null: the host does not have it.');

const hostSchema = z
  .strictObject(
    {
      state: field
        .oneOf(['active', 'drained', 'offline'])
        .optional()
        .describe(
          'drained: what is there stays, and nothing new is made there; offline: nothing is asked of the host, and its VMs are left as they are. Absent: active.',
        ),
      pool: pool.describe('Storage pool of disks on this host. Absent: defaults.pool.'),
      bridge: bridge.describe('Bridge on this host. Absent: defaults.bridge.'),
      pools: z
        .record(field.storageName('a pool name'), hostPoolSchema.nullable(), 'an object of pools by name')
        .optional()
        .describe('Pools that are different on this host, or only there.'),
      reserve: reserveSchema.optional(),
      ratio: ratioSchema.optional(),
    },
    'an object, or nothing',
  )
  .describe('What is special about a host.');

const imageSchema = z
  .strictObject(
    {
      pool: field
        .storageName('a pool name')
        .optional()
        .describe(
          'Storage pool in which the image stands on every host, or that it is brought to. Absent where it is brought: the pool of disks.',
        ),
      volume: field
        .storageName('a volume name')
        .optional()
        .describe('Name of a volume that stands in that pool on every host.'),
      file: field
        .absolutePath('the image file')
        .optional()
        .describe("Path of the image on the operator's machine; the operator brings it to the hosts."),
      url: field
        .webUrl()
        .optional()
        .describe('Where the operator fetches the image, to bring it to the hosts.'),
      sha256: field
        .sha256()
        .optional()
        .describe(
          'Of the whole file, as sha256sum prints it; needed with file and url. With srcvm: the disk is read only if it is this one.',
        ),
      format: field
        .oneOf(['qcow2', 'raw'])
        .optional()
        .describe('Format of what has the sha256. Absent: qcow2.'),
      srcvm: field
        .storageName('the name of a VM')
        .optional()
        .describe(
          'A VM whose first disk is the image, as it was when it was first read. It has to be shut off meanwhile.',
        ),
      host: field
        .hostname('t01')
        .optional()
        .describe('Where the VM of srcvm is defined. Absent: on each host that needs the image.'),
      cloudInit: field
        .flag()
        .optional()
        .describe('Guests made of it have cloud-init and get a seed. Absent: those whose VM asks for one.'),
    },
    'an object with pool and volume, with file or url and sha256, or with srcvm',
  )
  .describe('A base image.');

const policySchema = z
  .strictObject(
    {
      maxRemovals: field
        .wholeNumber(0, 100_000)
        .optional()
        .describe('A commit that removes more VMs than this waits for a confirmation. Absent: 5.'),
      tombstoneDays: field
        .wholeNumber(0, 3650)
        .optional()
        .describe('Days for which a removed VM and its disks are kept. Absent: 7.'),
      nPlusOne: field
        .oneOf(['ignore', 'warn', 'error'])
        .optional()
        .describe(
          'Where the VMs of a host would not fit on the other hosts: warn says so in plan and note, error refuses a commit that brings it about. Absent: ignore.',
        ),
    },
    'an object with maxRemovals, tombstoneDays and nPlusOne',
  )
  .describe('Guards on what a commit may do.');

const migrationSchema = z
  .strictObject(
    {
      maxPerHost: field
        .wholeNumber(1, 64)
        .optional()
        .describe('VMs whose disks are copied from or to one host at once. Absent: 1.'),
      bandwidthMiBs: field
        .wholeNumber(1, 100_000)
        .optional()
        .describe('MiB per second that the copy of one VM may take. Absent: as fast as it goes.'),
    },
    'an object with maxPerHost and bandwidthMiBs',
  )
  .describe('How VMs are moved that git has under another host.');

const freezeSchema = z
  .strictObject(
    {
      name: field.label('the name of a freeze').describe('Shown in plan, status and note for what waits.'),
      start: z
        .string('five fields of cron, such as "0 18 * * 5"')
        .optional()
        .describe('When a window that comes again begins: the five fields of cron. With duration.'),
      duration: field
        .span()
        .optional()
        .describe('How long it lasts by the clock on the wall, up to 31 days.'),
      from: field
        .localTime()
        .optional()
        .describe('When a window that comes once begins. With to, and without start and duration.'),
      to: field.localTime().optional().describe('When a window that comes once ends.'),
      timezone: z
        .string('a time zone such as Europe/Berlin')
        .optional()
        .describe('IANA time zone of these times. Absent: UTC.'),
      hosts: z
        .array(field.hostname('t01'), 'a list of hosts')
        .optional()
        .describe('Hosts that it covers. Absent, as are vms: everything.'),
      vms: z
        .array(field.label('a VM name'), 'a list of VM names')
        .optional()
        .describe('VMs that it covers, wherever they are.'),
      overrun: field
        .oneOf(['finish', 'stop'])
        .optional()
        .describe(
          'A pass that runs when the window begins: finish: it goes on to its end; stop: it begins no further VM. Absent: finish.',
        ),
    },
    'an object with name, and start and duration or from and to',
  )
  .describe('A time in which changes wait.');

/** cluster.yaml. */
export const clusterSchema = z
  .strictObject(
    {
      cluster: field
        .label('a cluster name')
        .describe(
          'Name of the cluster. It marks our VMs on the hosts: under another name the operator knows none of them any more.',
        ),
      defaults: defaultsSchema.optional(),
      hosts: z
        .record(field.hostname('t01'), hostSchema.nullable(), 'an object of hosts by name')
        .optional()
        .describe('What is special about hosts, by name.'),
      pools: z
        .record(field.storageName('a pool name'), poolSchema, 'an object of pools by name')
        .optional()
        .describe('Storage pools of every host: made, started, and never deleted by the operator.'),
      images: z
        .record(field.label('an image name'), imageSchema, 'an object of images by name')
        .optional()
        .describe('Base images, by the name that manifests use.'),
      addresses: z
        .array(
          z.string('a network such as 10.0.0.0/16, a range such as 10.1.0.10-10.1.0.99, or an address'),
          'a list of networks, ranges and addresses',
        )
        .optional()
        .describe('Networks, ranges and single addresses that VMs may have. Absent: any.'),
      policy: policySchema.optional(),
      migration: migrationSchema.optional(),
      freeze: z
        .array(freezeSchema, 'a list of windows')
        .optional()
        .describe('Windows in which nothing that git changes is applied.'),
    },
    'an object with "cluster"',
  )
  .meta({
    title: 'kvm-gitops cluster',
    description: 'What is reviewed as VMs are: defaults, hosts, pools, images, addresses and policy.',
  });

export type Cluster = z.infer<typeof clusterSchema>;
