import { z } from 'zod';
import * as field from './fields.ts';

/** `hostnameVia` of a manifest: how a guest learns its host name. */
export function hostnameViaField() {
  return field.oneOf(['cloud-init', 'dhcp', 'ssh', 'agent', 'none']).optional();
}

const nameServers = z
  .array(field.ipv4(), 'a list of IPv4 addresses')
  .max(3, 'a list of 3 addresses at most')
  .optional();

/** `cloudInit` of a VM, and of `defaults`. */
export const cloudInitSchema = z.strictObject(
  {
    user: loginName()
      .optional()
      .describe("User of the guest that sshKeys are for. Absent: the image's own default user."),
    sshKeys: z
      .array(publicKey(), 'a list of public SSH keys')
      .optional()
      .describe('Public keys that may log in as that user.'),
    network: field
      .oneOf(['dhcp', 'static'])
      .optional()
      .describe(
        'static: cloud-init gives the guest its ipaddress itself, with prefix, gateway and dns. Absent: dhcp.',
      ),
    prefix: field
      .wholeNumber(8, 30)
      .optional()
      .describe('Length of the network prefix of a static address, such as 24. Required for static.'),
    gateway: field.ipv4().optional().describe('Default gateway of a static address.'),
    dns: nameServers.describe('Name servers of a static address.'),
    userData: z
      .record(z.string(), z.unknown(), 'a mapping of cloud-config modules, such as {packages: [nginx]}')
      .optional()
      .describe(
        "cloud-config for the guest's first boot. Secrets are referred to: {secret: NAME} or {age: CIPHERTEXT} in the place of a text.",
      ),
    userDataFile: sopsPath()
      .optional()
      .describe('A cloud-config that sops has encrypted for age: manifests/**/NAME.sops.yaml or .sops.json.'),
  },
  'an object of user, sshKeys, network and userData',
);

export type CloudInit = z.infer<typeof cloudInitSchema>;

/** Files that sops has encrypted stand among the manifests, and are none. */
export function isSopsFile(path: string): boolean {
  return /\.sops\.(?:json|ya?ml)$/i.test(path);
}

function loginName(): z.ZodString {
  const expected = 'a login name: a-z, 0-9, "_" and "-", a letter or "_" first, 32 characters at most';
  return z.string(expected).regex(/^[a-z_][a-z0-9_-]{0,31}$/, expected);
}

function publicKey(): z.ZodString {
  const expected = 'a public SSH key in one line, such as ssh-ed25519 AAAA... ann@laptop';
  const type = '(?:sk-)?(?:ssh-[a-z0-9]+|ecdsa-sha2-nistp[0-9]+)(?:@openssh\\.com)?';
  return z
    .string(expected)
    .max(16_384, expected)
    .regex(new RegExp(`^${type} [A-Za-z0-9+/]+={0,3}(?: [^\\p{Cc}]*)?$`, 'u'), expected);
}

function sopsPath(): z.ZodString {
  const expected =
    'the path of a file that sops has encrypted, from the root of the repository, such as manifests/web.sops.yaml';
  return z.string(expected).regex(/^manifests\/.+\.sops\.(?:json|ya?ml)$/, expected);
}
