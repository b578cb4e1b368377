import type { Issue } from '../core/issue.ts';
import { keyPlaceOf, type Located } from '../core/located.ts';
import { issueAt } from '../core/parse-file.ts';
import type { LibvirtEndpoint } from '../hosts/libvirt-channel.ts';
import { endpointOf, type SshTarget } from '../hosts/ssh-target.ts';
import type { NamesSettings } from '../names/settings.ts';
import type { WrittenConfig } from './schema.ts';
import type { Environment } from './values.ts';

/** How one KVM host is reached. */
export interface HostConfig {
  readonly name: string;
  readonly target: SshTarget;
  readonly libvirt: LibvirtEndpoint;
  /** Undefined: as libvirt says of the host. */
  readonly virtType: 'kvm' | 'qemu' | undefined;
  /** Where the QEMU of other hosts reaches its own. */
  readonly migrationAddress: string;
}

/** Where dnsmasq is, and how it is dealt with. */
export interface DnsmasqConfig {
  /** Undefined: on this machine. */
  readonly target: SshTarget | undefined;
  readonly settings: NamesSettings;
}

type Defaults = WrittenConfig['ssh'];
type WrittenHost = WrittenConfig['hosts'][string];
type Reachable = Login & Pick<WrittenHost, 'connectTimeout' | 'keepalive' | 'jump' | 'direct'>;
type Login = Pick<
  WrittenHost,
  'address' | 'port' | 'user' | 'key' | 'passphraseFile' | 'agent' | 'knownHosts'
>;

/** Every host with what `ssh` says filled in, by name. */
export function toHosts(written: WrittenConfig, env: Environment): ReadonlyMap<string, HostConfig> {
  return new Map(
    Object.entries(written.hosts).map(([name, host]) => [name, toHost(name, host, written.ssh, env)]),
  );
}

/** What no single field shows: no way to log in, or the same host under two names, which would run a VM twice. */
export function checkHosts(
  hosts: ReadonlyMap<string, HostConfig>,
  from: { readonly root: Located; readonly file: string },
): Issue[] {
  const issues: Issue[] = [];
  const seen = new Map<string, string>();
  for (const { name, target } of hosts.values()) {
    const place = keyPlaceOf(from.root, ['hosts', name]);
    const report = (message: string) => issues.push(issueAt(from.file, place, `hosts.${name}: ${message}`));
    for (const login of [target, ...(target.jump === undefined ? [] : [target.jump])]) {
      const mistake = loginMistake(login);
      if (mistake !== undefined) report(mistake);
    }
    const where =
      `${endpointOf(target)} ${target.jump === undefined ? '' : endpointOf(target.jump)}`.toLowerCase();
    const first = seen.get(where);
    if (first !== undefined) report(`is the same host as ${first} (${endpointOf(target)})`);
    else seen.set(where, name);
  }
  return issues;
}

/** dnsmasq's machine with no way to log in. */
export function checkDnsmasq(
  dnsmasq: DnsmasqConfig | undefined,
  from: { readonly root: Located; readonly file: string },
): Issue[] {
  const { target } = dnsmasq ?? {};
  const logins = [target, target?.jump].flatMap((login) =>
    login === undefined ? [] : [loginMistake(login)],
  );
  const place = keyPlaceOf(from.root, ['dnsmasq']);
  return logins.flatMap((mistake) =>
    mistake === undefined ? [] : [issueAt(from.file, place, `dnsmasq: ${mistake}`)],
  );
}

function loginMistake(target: SshTarget): string | undefined {
  const whose = `${target.user}@${target.address}`;
  if (target.agentSocket === '') return `${whose} is to use the ssh-agent, but $SSH_AUTH_SOCK is not set`;
  if (target.key !== undefined || target.agentSocket !== undefined) return undefined;
  return `${whose} has no way to log in: set ssh.key, ssh.agent, or one of them here`;
}

function toHost(name: string, host: WrittenHost, ssh: Defaults, env: Environment): HostConfig {
  return {
    name,
    target: toReachable(name, host, { ssh, env }),
    libvirt: { uri: host.libvirtUri, socket: host.socket, sudo: host.sudo },
    virtType: host.virtType,
    migrationAddress: host.migrationAddress ?? host.address,
  };
}

/** How a machine is reached, with what `ssh` says filled in. */
function toReachable(
  name: string,
  machine: Reachable,
  { ssh, env }: { readonly ssh: Defaults; readonly env: Environment },
): SshTarget {
  const limits = {
    connectTimeoutMs: machine.connectTimeout ?? ssh.connectTimeout,
    keepaliveMs: machine.keepalive ?? ssh.keepalive,
  };
  const jump = machine.jump ?? (machine.direct ? undefined : ssh.jump);
  return {
    ...toTarget(name, machine, ssh, env),
    ...limits,
    ...(jump === undefined ? {} : { jump: { ...toTarget(`${name}, jump host`, jump, ssh, env), ...limits } }),
  };
}

/** What operator.yaml says of dnsmasq; undefined: nothing. */
export function toDnsmasq({ dnsmasq, ssh }: WrittenConfig, env: Environment): DnsmasqConfig | undefined {
  if (dnsmasq === undefined) return undefined;
  const { address, folder, pidFile, unit, sudo, dns } = dnsmasq;
  return {
    target: address === undefined ? undefined : toReachable('dnsmasq', { ...dnsmasq, address }, { ssh, env }),
    settings: {
      folder: folder.replace(/\/+$/, ''),
      process: unit === undefined ? { kind: 'pidFile', path: pidFile } : { kind: 'unit', name: unit },
      sudo,
      interface: dnsmasq.interface,
      dns: dns === undefined || dns === 'off' ? dns : { address: dns.host, port: dns.port },
    },
  };
}

function toTarget(name: string, login: Login, ssh: Defaults, env: Environment) {
  return {
    name,
    address: login.address,
    port: login.port,
    user: login.user ?? ssh.user,
    key: login.key ?? ssh.key,
    passphraseFile: login.passphraseFile ?? ssh.passphraseFile,
    agentSocket: (login.agent ?? ssh.agent) ? (env['SSH_AUTH_SOCK'] ?? '') : undefined,
    knownHosts: login.knownHosts ?? ssh.knownHosts,
  };
}
