import type { SeedContent, StaticNetwork } from '../core/seed.ts';
import type { UserData } from '../core/user-data.ts';

/** What a seed says, its secrets in place. */
export interface SeedFacts {
  /** The VM's uuid: cloud-init takes another one for another machine, and starts over. */
  readonly instanceId: string;
  readonly hostname?: string | undefined;
  /** Of the first network card. */
  readonly mac: string;
  readonly content: Omit<SeedContent, 'sops'>;
}

/** The files of a NoCloud seed, by their names. JSON is YAML too, and leaves nothing to quote. */
export function seedFiles({ instanceId, hostname, mac, content }: SeedFacts): ReadonlyMap<string, string> {
  const { network } = content;
  const metaData = {
    'instance-id': instanceId,
    ...(hostname !== undefined && { 'local-hostname': hostname }),
  };
  return new Map([
    ['meta-data', toYaml(metaData)],
    ['user-data', `#cloud-config\n${toYaml(cloudConfig(hostname, content))}`],
    ...(network === undefined ? [] : [['network-config', toYaml(networkConfig(network, mac))] as const]),
  ]);
}

/** User data over what the fields of the manifest say; keys are added to those that user data names. */
function cloudConfig(
  hostname: string | undefined,
  { user, sshKeys, userData }: SeedFacts['content'],
): UserData {
  const named =
    hostname === undefined
      ? { preserve_hostname: true }
      : // `uname -n` shows the name as git has it, not its first label.
        { hostname, ...(hostname.includes('.') && { fqdn: hostname, prefer_fqdn_over_hostname: true }) };
  const { ssh_authorized_keys: more } = userData;
  const keys = [...sshKeys, ...(Array.isArray(more) ? more : [])];
  return {
    ...named,
    ...(user !== undefined && { user }),
    ...userData,
    ...(keys.length > 0 && { ssh_authorized_keys: keys }),
  };
}

function networkConfig({ address, prefix, gateway, dns }: StaticNetwork, mac: string): UserData {
  const card = {
    match: { macaddress: mac },
    // Without it cloud-init, where it writes /etc/network/interfaces, takes the key for the card's name.
    'set-name': 'eth0',
    addresses: [`${address}/${prefix}`],
    ...(gateway !== undefined && { routes: [{ to: '0.0.0.0/0', via: gateway }] }),
    ...(dns.length > 0 && { nameservers: { addresses: dns } }),
  };
  return { version: 2, ethernets: { eth0: card } };
}

/** PyYAML refuses control characters that JSON leaves as they are. */
function toYaml(value: UserData): string {
  const json = JSON.stringify(value, null, 2);
  return `${json.replace(/[\u007f-\u009f\ufffe\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`;
}
