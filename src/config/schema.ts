import { z } from 'zod';
import { FORGE_NAMES } from '../forge/forges.ts';
import { checkNotesRef, NOTES_REF } from '../git/notes.ts';
import { checkBranch, checkFolder, parseRemote } from '../git/remote.ts';
import { commitStatusSchema } from './commit-status.ts';
import { notificationsSchema } from './notifications.ts';
import { pullRequestsSchema } from './pull-requests.ts';
import {
  type ConfigContext,
  checkedText,
  duration,
  expandPath,
  listenAddress,
  pathValue,
  readSecret,
  secretError,
  secretFields,
} from './values.ts';
import { verifySchema } from './verify.ts';

/** What nobody finds by trying. */
const LEAST_TOKEN = 20;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const ADDRESS = /^[A-Za-z0-9:][A-Za-z0-9.:%_-]*$/;

/** What a person writes in operator.yaml. Every key has a description; deploy/README.md repeats them, and a test holds the two together. */
export function writtenConfig(context: ConfigContext) {
  return z.strictObject({
    state: pathValue(context)
      .prefault('/var/lib/kvm-gitops')
      .describe('Folder for the git mirror, the journal and the confirmations.'),
    git: gitSchema(context),
    ssh: z
      .strictObject({
        ...loginFields(context),
        user: z.string().min(1).prefault('root').describe(LOGIN.user),
        knownHosts: pathValue(context).prefault('~/.ssh/known_hosts').describe(LOGIN.knownHosts),
        connectTimeout: duration.prefault('10s').describe(LOGIN.connectTimeout),
        keepalive: duration.prefault('10s').describe(LOGIN.keepalive),
        jump: jumpSchema(context),
      })
      .prefault({})
      .describe('Login to the hosts, for all that do not say otherwise.'),
    hosts: z
      .record(
        z.string().regex(NAME, 'expected a host name: letters, digits, dot, dash, underscore'),
        hostSchema(context),
      )
      .refine((hosts) => Object.keys(hosts).length > 0, 'expected at least one host')
      .describe('The KVM hosts that manifests may name, by that name.'),
    dnsmasq: dnsmasqSchema(context),
    intervals: z
      .strictObject({
        poll: duration.prefault('60s').describe('How often the git remote is asked for a new commit.'),
        drift: duration.prefault('5m').describe('How often all hosts are looked at though nothing happened.'),
      })
      .prefault({})
      .describe('What happens without being asked for.'),
    concurrency: z
      .strictObject({
        hosts: z.int().min(1).max(1000).prefault(16).describe('Hosts that are worked on at once.'),
        vmsPerHost: z
          .int()
          .min(1)
          .max(64)
          .prefault(4)
          .describe('VMs that are worked on at once on one host.'),
      })
      .prefault({})
      .describe('How much is done at once.'),
    shutdownTimeout: duration.prefault('120s').describe('How long a guest may take to shut down.'),
    force: z
      .enum(['never', 'allowed'])
      .prefault('never')
      .describe(
        'Whether a guest that does not shut down in time is switched off hard. A VM may say otherwise.',
      ),
    secrets: z
      .strictObject({
        folder: pathValue(context)
          .optional()
          .describe(
            'Folder with a file for each secret that manifests refer to; only the owner may read them.',
          ),
        ageKey: pathValue(context)
          .optional()
          .describe('File with the age identities that decrypt values and sops files of manifests.'),
      })
      .prefault({})
      .describe('What manifests only refer to.'),
    guests: guestsSchema(context),
    http: httpSchema(context),
    webhook: webhookSchema(context),
    commitStatus: commitStatusSchema(context),
    pullRequests: pullRequestsSchema(),
    notifications: notificationsSchema(context),
    log: z
      .strictObject({
        level: z
          .enum(['error', 'warn', 'info', 'debug'])
          .prefault('info')
          .describe('The least important messages that are written to stderr.'),
      })
      .prefault({})
      .describe('Logging.'),
  });
}

export type WrittenConfig = z.output<ReturnType<typeof writtenConfig>>;

const LOGIN = {
  user: 'User to log in as.',
  key: 'Path of the private key.',
  passphraseFile: "Path of a file with the key's passphrase.",
  agent: 'Use the ssh-agent at $SSH_AUTH_SOCK.',
  knownHosts: 'File that pins the host keys.',
  connectTimeout: 'Limit for connecting and logging in.',
  keepalive: 'Pause between two probes of an idle connection; three without an answer end it.',
} as const;

const port = z.int().min(1).max(65_535).prefault(22).describe('Port of its SSH server.');
const absolutePath = z.string().regex(/^\/[^\s,]*$/, 'expected an absolute path without spaces');
const address = z
  .string()
  .regex(ADDRESS, 'expected a DNS name or an IP address')
  .describe('DNS name or IP address, as known_hosts has it.');

function gitSchema(context: ConfigContext) {
  return z
    .strictObject({
      remote: checkedText((text) => remoteUrl(context, text)).describe(
        'The manifests repository: https, ssh or file URL, user@host:path, or a path.',
      ),
      branch: checkedText(checkBranch).prefault('main').describe('The branch that counts.'),
      allowRewind: z
        .boolean()
        .prefault(false)
        .describe('Follow a branch that was rewritten or taken back, without a confirmation.'),
      path: checkedText((text) => (text === '.' ? '' : checkFolder(text)))
        .prefault('.')
        .describe('Folder of the manifests in the repository.'),
      ssh: z
        .strictObject({
          key: pathValue(context)
            .optional()
            .describe(
              'Path of the private key for an SSH remote; without it the keys of ssh itself and its agent.',
            ),
          knownHosts: pathValue(context)
            .optional()
            .describe('File that pins the key of an SSH remote; without it the file of ssh itself.'),
        })
        .prefault({})
        .describe('Login to an SSH remote.'),
      token: tokenSchema(context),
      verify: verifySchema(context),
      notes: z.boolean().prefault(true).describe('Write the result of each commit back as a git note.'),
      notesRef: checkedText(checkNotesRef).prefault(NOTES_REF).describe('Where the notes are.'),
      author: z
        .strictObject({
          name: z.string().min(1).prefault('kvm-gitops').describe('Name that the notes are written under.'),
          email: z
            .string()
            .min(1)
            .prefault('kvm-gitops@localhost')
            .describe('Email address beside that name.'),
        })
        .prefault({})
        .describe('Author of the notes.'),
      timeout: duration.prefault('60s').describe('Limit for one call to the remote.'),
    })
    .describe('Where the manifests are.');
}

/** What git is given: paths become absolute, all else is checked as it stands. */
function remoteUrl(context: ConfigContext, text: string): string {
  const isPath = /^[./~]/.test(text) || !text.includes(':');
  return parseRemote(isPath && text !== '' ? expandPath(context, text) : text).url;
}

/** The place is kept, not the value: git reads it anew for each call, so that it can be rotated. */
function tokenSchema(context: ConfigContext) {
  return z
    .strictObject(
      {
        ...secretFields(context),
        username: z
          .string()
          .min(1)
          .optional()
          .describe('User name sent with the token; most forges take any.'),
      },
      secretError,
    )
    .superRefine((token, ctx) => void readSecret(context, token, ctx))
    .optional()
    .describe('Access token for an https remote.');
}

function httpSchema(context: ConfigContext) {
  return z
    .strictObject({
      listen: listenAddress
        .prefault('127.0.0.1:8080')
        .describe('Address of the HTTP server: webhook, status, metrics, health.'),
      adminToken: adminTokenSchema(context),
    })
    .prefault({})
    .describe('HTTP server.');
}

function adminTokenSchema(context: ConfigContext) {
  return z
    .strictObject(secretFields(context), secretError)
    .transform((place, ctx) => readSecret(context, place, ctx))
    .refine((secret) => secret.reveal().length >= LEAST_TOKEN, {
      error: `the token has less than ${LEAST_TOKEN} characters: take openssl rand -hex 32`,
    })
    .optional()
    .describe(
      'Token with which programs may confirm, suspend and resume by POST /api/...; without it nobody may.',
    );
}

function webhookSchema(context: ConfigContext) {
  return z
    .strictObject({
      forge: z
        .enum(FORGE_NAMES)
        .prefault('generic')
        .describe('Who sends it; gitea is Forgejo too, and generic anything that signs with HMAC-SHA256.'),
      secret: z
        .strictObject(secretFields(context), secretError)
        .transform((place, ctx) => readSecret(context, place, ctx))
        .describe('Secret that signs deliveries, or the token that GitLab sends along.'),
    })
    .optional()
    .describe('POST /webhook, by which a forge says that there is a new commit; without it there is none.');
}

/** For `hostnameVia: ssh`, and how long any guest is waited for. */
function guestsSchema(context: ConfigContext) {
  return z
    .strictObject({
      user: z
        .string()
        .min(1)
        .prefault('root')
        .describe('User to log in to guests as; another than root uses sudo -n.'),
      key: pathValue(context).optional().describe('Path of the private key for guests.'),
      knownHosts: pathValue(context)
        .optional()
        .describe(
          'File that pins the keys of guests; without it the first key of a guest that this operator has created is recorded, and pinned from then on.',
        ),
      throughHost: z.boolean().prefault(false).describe('Reach guests through their KVM host.'),
      timeout: duration.prefault('30s').describe('How long one try waits for a guest to answer.'),
    })
    .prefault({})
    .describe('Login to guests, for hostnameVia: ssh; the timeout is for hostnameVia: agent too.');
}

/** How to log in: in `ssh` for all, in a host or a jump host for itself. */
function loginFields(context: ConfigContext) {
  return {
    user: z.string().min(1).optional().describe(LOGIN.user),
    key: pathValue(context).optional().describe(LOGIN.key),
    passphraseFile: pathValue(context).optional().describe(LOGIN.passphraseFile),
    agent: z.boolean().optional().describe(LOGIN.agent),
    knownHosts: pathValue(context).optional().describe(LOGIN.knownHosts),
  };
}

/** How to get to a machine by SSH, beyond its address. */
function machineFields(context: ConfigContext) {
  return {
    port,
    ...loginFields(context),
    connectTimeout: duration.optional().describe(LOGIN.connectTimeout),
    keepalive: duration.optional().describe(LOGIN.keepalive),
    jump: jumpSchema(context),
    direct: z.boolean().prefault(false).describe('Connect without the jump host that ssh names.'),
  };
}

function jumpSchema(context: ConfigContext) {
  return z
    .strictObject({ address, port, ...loginFields(context) })
    .optional()
    .describe('Host to go through. What it does not say comes from ssh.');
}

function dnsmasqSchema(context: ConfigContext) {
  return z
    .strictObject({
      address: address
        .optional()
        .describe('The machine that dnsmasq is on, by SSH; without it, the one that the operator is on.'),
      ...machineFields(context),
      sudo: z
        .boolean()
        .prefault(false)
        .describe('Signal dnsmasq and release leases by sudo -n, when the user may not.'),
      folder: absolutePath
        .prefault('/var/lib/kvm-gitops-dnsmasq')
        .describe('Folder of the two files that we write, on that machine; dnsmasq must be able to read it.'),
      pidFile: absolutePath
        .prefault('/run/dnsmasq/dnsmasq.pid')
        .describe("File with dnsmasq's process number, which is sent SIGHUP."),
      unit: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9@._-]*$/, 'expected the name of a systemd unit, as in dnsmasq.service')
        .optional()
        .describe('systemd unit of dnsmasq: found and signalled by systemctl instead of the pidFile.'),
      interface: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/, 'expected the name of a network interface, as in br0')
        .optional()
        .describe('Interface on which leases are released; without it, the one that has their network.'),
      dns: z
        .union([z.literal('off'), listenAddress])
        .optional()
        .describe(
          'Where its DNS is asked whether it has read the files, as host:port, or off; without it, where its configuration says.',
        ),
    })
    .optional()
    .describe('dnsmasq, that gives VMs their addresses and names; without it nobody is told of them.');
}

function hostSchema(context: ConfigContext) {
  return z.strictObject({
    address,
    ...machineFields(context),
    sudo: z
      .boolean()
      .prefault(false)
      .describe('Reach libvirt by sudo -n virt-ssh-helper, when the user may not use its socket.'),
    libvirtUri: z
      .string()
      .regex(/^[a-z]+:\/\/\/[a-z]+$/, 'expected a local URI, as seen on the host: qemu:///system')
      .prefault('qemu:///system')
      .describe('The libvirt connection on the host.'),
    socket: z
      .string()
      .regex(/^\//, 'expected an absolute path on the host')
      .optional()
      .describe("Path of libvirt's socket on the host, when it is not in the usual place."),
    virtType: z
      .enum(['kvm', 'qemu'])
      .optional()
      .describe('Hardware virtualisation or emulation; without it, as libvirt says of the host.'),
    migrationAddress: address
      .optional()
      .describe('Where other hosts send VMs that move live; without it, address.'),
  });
}
