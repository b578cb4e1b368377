import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import {
  checkDnsmasq,
  checkHosts,
  type DnsmasqConfig,
  type HostConfig,
  toDnsmasq,
  toHosts,
} from './config/hosts.ts';
import { explainConfigIssues } from './config/issues.ts';
import { checkPullRequests, toPullRequests } from './config/pull-requests.ts';
import { type WrittenConfig, writtenConfig } from './config/schema.ts';
import type { ConfigContext, Environment } from './config/values.ts';
import { formatIssue, type Issue } from './core/issue.ts';
import { toValue } from './core/located.ts';
import { parseFile } from './core/parse-file.ts';
import { errorMessage, OperatorError } from './errors.ts';

/** operator.yaml, checked, with every default filled in; paths are absolute, durations in milliseconds. */
export type Config = ReturnType<typeof toConfig>;

/** The environment of this process: what `loadConfig` and git are to be given. */
export function environment(): Environment {
  return { ...process.env };
}

/**
 * Reads operator.yaml from `path`, else $KVM_GITOPS_CONFIG, ./operator.yaml or /etc/kvm-gitops/operator.yaml.
 * E_CONFIG_INVALID lists every mistake with its line.
 */
export function loadConfig(path?: string, env: Environment = environment()): Config {
  const file = findConfig(path, env);
  if (file === undefined) throw noConfig();
  const { root, issues } = parseFile({ path: file, content: readText(file) });
  if (root === undefined || issues.length > 0) throw invalidConfig(file, issues);
  const context: ConfigContext = { folder: dirname(file), env, home: env['HOME'] ?? homedir() };
  const schema = writtenConfig(context);
  const result = schema.safeParse(toValue(root));
  if (!result.success) {
    throw invalidConfig(file, explainConfigIssues(result.error.issues, { schema, root, file }));
  }
  const config = toConfig(file, result.data, env);
  const wrong = [
    ...checkHosts(config.hosts, { root, file }),
    ...checkDnsmasq(config.dnsmasq, { root, file }),
    ...checkPullRequests(result.data, { root, file }),
  ];
  if (wrong.length > 0) throw invalidConfig(file, wrong);
  return config;
}

function toConfig(file: string, written: WrittenConfig, env: Environment) {
  const { git, http, intervals, concurrency } = written;
  const hosts: ReadonlyMap<string, HostConfig> = toHosts(written, env);
  const dnsmasq: DnsmasqConfig | undefined = toDnsmasq(written, env);
  return {
    /** Path of operator.yaml. */
    file,
    stateDir: written.state,
    git: {
      remote: git.remote,
      branch: git.branch,
      allowRewind: git.allowRewind,
      /** Undefined: signatures do not count. */
      verify: git.verify && {
        require: git.verify.require,
        ...defined('allowedSigners', git.verify.allowedSigners),
        ...defined('gpgKeys', git.verify.gpgKeys),
      },
      path: git.path,
      credentials: {
        ...defined('sshKeyFile', git.ssh.key),
        ...defined('knownHostsFile', git.ssh.knownHosts),
        ...defined('tokenFile', git.token?.file),
        ...defined('tokenEnv', git.token?.env),
        ...defined('username', git.token?.username),
      },
      notes: git.notes,
      notesRef: git.notesRef,
      identity: git.author,
      timeoutMs: git.timeout,
    },
    hosts,
    /** Undefined: nobody is told of names and addresses. */
    dnsmasq,
    pollMs: intervals.poll,
    driftMs: intervals.drift,
    concurrency,
    shutdownTimeoutMs: written.shutdownTimeout,
    force: written.force,
    secrets: written.secrets,
    guests: toGuests(written),
    http: {
      listen: http.listen,
      /** Undefined: nothing is taken by HTTP but the webhook. */
      adminToken: http.adminToken,
    },
    /** Undefined: there is no webhook. */
    webhook: written.webhook,
    /** Undefined: no forge is told how commits stand. */
    commitStatus: written.commitStatus,
    /** Who is told of what breaks, waits or is well again. */
    notifications: written.notifications,
    /** Undefined: no pull request is planned. */
    pullRequests: toPullRequests(written),
    logLevel: written.log.level,
  };
}

function toGuests({ guests: { timeout: timeoutMs, ...rest } }: WrittenConfig) {
  return { ...rest, timeoutMs };
}

function defined<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  if (value === undefined) return {};
  const one: Partial<Record<K, V>> = {};
  one[key] = value;
  return one;
}

/** Where operator.yaml is by the rules of `loadConfig`; undefined when nobody named it and it is in no usual place. */
export function findConfig(path?: string, env: Environment = environment()): string | undefined {
  const asked = path ?? env['KVM_GITOPS_CONFIG'];
  if (asked !== undefined && asked !== '') return resolve(asked);
  return usualPlaces().find((candidate) => existsSync(candidate));
}

function usualPlaces(): string[] {
  return [resolve('operator.yaml'), '/etc/kvm-gitops/operator.yaml'];
}

function noConfig(): OperatorError {
  return new OperatorError(
    'E_CONFIG_INVALID',
    `there is no operator.yaml: neither ${usualPlaces().join(' nor ')}. Start from deploy/operator.example.yaml, or name the file with --config`,
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new OperatorError('E_CONFIG_INVALID', `the config cannot be read: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

function invalidConfig(file: string, issues: readonly Issue[]): OperatorError {
  const count = issues.length === 1 ? 'one mistake' : `${issues.length} mistakes`;
  const list = issues.map((issue) => `\n  ${formatIssue(issue)}`).join('');
  return new OperatorError('E_CONFIG_INVALID', `${file} has ${count}:${list}`, { context: { file } });
}
