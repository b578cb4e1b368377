import type { Issue } from '../core/issue.ts';
import { keyPlaceOf, type Located } from '../core/located.ts';
import { issueAt } from '../core/parse-file.ts';
import type { LibvirtEndpoint } from '../hosts/libvirt-channel.ts';
import { endpointOf, type SshTarget } from '../hosts/ssh-target.ts';
import type { WrittenConfig } from './schema.ts';
import type { Environment } from './values.ts';

/** How one KVM host is reached. */
export interface HostConfig {
  readonly name: string;
  readonly target: SshTarget;
  readonly libvirt: LibvirtEndpoint;
  /** Undefined: as libvirt says of the host. */
  readonly virtType: 'kvm' | 'qemu' | undefined;
}

type Defaults = WrittenConfig['ssh'];
type WrittenHost = WrittenConfig['hosts'][string];
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

function loginMistake(target: SshTarget): string | undefined {
  const whose = `${target.user}@${target.address}`;
  if (target.agentSocket === '') return `${whose} is to use the ssh-agent, but $SSH_AUTH_SOCK is not set`;
  if (target.key !== undefined || target.agentSocket !== undefined) return undefined;
  return `${whose} has no way to log in: set ssh.key, ssh.agent, or one of them here`;
}

function toHost(name: string, host: WrittenHost, ssh: Defaults, env: Environment): HostConfig {
  const target = toTarget(name, host, ssh, env);
  const limits = {
    connectTimeoutMs: host.connectTimeout ?? ssh.connectTimeout,
    keepaliveMs: host.keepalive ?? ssh.keepalive,
  };
  const jump = host.jump ?? (host.direct ? undefined : ssh.jump);
  return {
    name,
    target: {
      ...target,
      ...limits,
      ...(jump === undefined
        ? {}
        : { jump: { ...toTarget(`${name}, jump host`, jump, ssh, env), ...limits } }),
    },
    libvirt: { uri: host.libvirtUri, socket: host.socket, sudo: host.sudo },
    virtType: host.virtType,
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
