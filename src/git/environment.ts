import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorMessage, OperatorError } from '../errors.ts';
import { readPrivateFile } from '../private-file.ts';
import type { Remote } from './remote.ts';

/** How to log in at the remote. Secrets only by file or by the name of a variable. */
export interface Credentials {
  /** Private key for ssh; without it ssh's own defaults and agent are used. */
  readonly sshKeyFile?: string;
  /** Pinned host keys for ssh; without it ssh's own file. */
  readonly knownHostsFile?: string;
  /** File with the https token or password, mode 0600. */
  readonly tokenFile?: string;
  /** Name of the environment variable with the https token or password. */
  readonly tokenEnv?: string;
  /** User for https; most forges take any. Default: the one in the address, else `git`. */
  readonly username?: string;
}

/** The operator's own environment, as config.ts hands it on. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentSettings {
  /** A folder of ours for git's config and the askpass script. */
  readonly dir: string;
  readonly remote: Remote;
  readonly credentials: Credentials;
  readonly env: Environment;
  /** Author of the notes. */
  readonly identity: { readonly name: string; readonly email: string };
}

/** `none`: the mirror alone; `read`: fetch from the remote; `write`: push to it. */
export type RemoteAccess = 'none' | 'read' | 'write';

/** What git runs with, and what must never be seen of it. */
export interface GitVariables {
  readonly variables: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

/** Everything that a child may inherit; HOME is for ssh's defaults, git itself reads nothing there. */
const INHERITED = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'TMPDIR',
  'SSH_AUTH_SOCK',
  'HTTPS_PROXY',
  'https_proxy',
  'ALL_PROXY',
  'all_proxy',
  'NO_PROXY',
  'no_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
] as const;

/** Writes git's config files and says what to run git with. The token is read anew each time, so it can be rotated. */
export async function prepareEnvironment(
  settings: EnvironmentSettings,
): Promise<(access: RemoteAccess) => GitVariables> {
  const dir = resolve(settings.dir);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { remote } = settings;
  await writeOwn(join(dir, 'config'), gitConfig(settings, []));
  await writeOwn(
    join(dir, 'config-fetch'),
    gitConfig(settings, remote.kind === 'local' ? localPaths(remote.path) : []),
  );
  await writeOwn(join(dir, 'askpass'), ASKPASS, 0o700);
  return (access) => variablesFor(settings, dir, access);
}

function variablesFor(settings: EnvironmentSettings, dir: string, access: RemoteAccess): GitVariables {
  const { remote, credentials, env } = settings;
  const variables: Record<string, string> = {
    LC_ALL: 'C',
    GIT_TERMINAL_PROMPT: '0',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: join(dir, access === 'read' ? 'config-fetch' : 'config'),
  };
  for (const name of INHERITED) {
    const value = env[name];
    if (value !== undefined) variables[name] = value;
  }
  if (access === 'none' || remote.kind === 'local') return { variables, secrets: [] };
  if (remote.kind === 'ssh') {
    return { variables: { ...variables, GIT_SSH_COMMAND: sshCommand(credentials) }, secrets: [] };
  }
  const token = readToken(credentials, env);
  if (token === undefined) return { variables, secrets: [] };
  const login = {
    GIT_ASKPASS: join(dir, 'askpass'),
    KVM_GITOPS_GIT_USERNAME: credentials.username ?? 'git',
    KVM_GITOPS_GIT_TOKEN: token,
  };
  return { variables: { ...variables, ...login }, secrets: [token] };
}

/** The secret goes through the environment of our own child, so it is in no file of ours, no argument and no URL. */
const ASKPASS = `#!/bin/sh
case "$1" in
Username*) printf '%s\\n' "$KVM_GITOPS_GIT_USERNAME" ;;
*) printf '%s\\n' "$KVM_GITOPS_GIT_TOKEN" ;;
esac
`;

function readToken({ tokenFile, tokenEnv }: Credentials, env: Environment): string | undefined {
  if (tokenFile === undefined && tokenEnv === undefined) return undefined;
  const token = tokenFile === undefined ? env[tokenEnv ?? '']?.trim() : readTokenFile(tokenFile);
  const where = tokenFile ?? `the variable ${tokenEnv}`;
  if (token === undefined || token === '') {
    throw new OperatorError('E_CONFIG_INVALID', `the git token is missing: ${where} is empty or not set`);
  }
  if (/\p{Cc}/u.test(token)) {
    throw new OperatorError('E_CONFIG_INVALID', `the git token in ${where} is more than one line`);
  }
  return token;
}

function readTokenFile(path: string): string {
  try {
    return readPrivateFile(path).trim();
  } catch (error) {
    throw new OperatorError('E_CONFIG_INVALID', `the git token cannot be read: ${errorMessage(error)}`);
  }
}

/** The ssh command line, for the shell that git gives it to. Our options come first, so no ssh config weakens them. */
export function sshCommand({ sshKeyFile, knownHostsFile }: Credentials): string {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    'UpdateHostKeys=no',
    'ConnectTimeout=10',
    'ServerAliveInterval=5',
    'ServerAliveCountMax=3',
    ...(knownHostsFile === undefined ? [] : [`UserKnownHostsFile=${sshPath(knownHostsFile)}`]),
    ...(sshKeyFile === undefined ? [] : ['IdentitiesOnly=yes', `IdentityFile=${sshPath(sshKeyFile)}`]),
  ];
  return ['ssh', ...options.map((option) => `-o ${shellWord(option)}`)].join(' ');
}

/** A path as ssh's config parser reads it: in double quotes, with no % expansion. */
function sshPath(path: string): string {
  if (/["\\\p{Cc}]/u.test(path)) {
    throw new OperatorError(
      'E_CONFIG_INVALID',
      `${JSON.stringify(path)}: ssh takes no quote, backslash or control character in a path`,
    );
  }
  return `"${resolve(path).replaceAll('%', '%%')}"`;
}

function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * One transport, no hooks, no helpers, no background work. Hooks are off for a local remote too: git runs them as us, and
 * whoever can write to that repository could then run programs as the operator.
 */
function gitConfig({ remote, identity }: EnvironmentSettings, safe: readonly string[]): string {
  const protocol = remote.kind === 'local' ? 'file' : remote.kind;
  return `[core]
\thooksPath = /dev/null
\tsymlinks = false
\tfsmonitor = false
\tlogAllRefUpdates = false
\tquotePath = false
[user]
\tname = ${configValue(identity.name)}
\temail = ${configValue(identity.email)}
[protocol]
\tallow = never
[protocol "${protocol}"]
\tallow = always
[transfer]
\tfsckObjects = true
[fetch "fsck"]
\tzeroPaddedFilemode = ignore
\tbadTimezone = ignore
\tmissingSpaceBeforeDate = ignore
[fetch]
\trecurseSubmodules = false
[submodule]
\trecurse = false
[http]
\tfollowRedirects = false
\tlowSpeedLimit = 1
\tlowSpeedTime = 20
[gc]
\tauto = 0
[maintenance]
\tauto = false
[receive]
\tautogc = false
${safe.length === 0 ? '' : `[safe]\n${safe.map((path) => `\tdirectory = ${configValue(path)}\n`).join('')}`}`;
}

/** Fetching from another user's repository is safe and the admin named it; pushing would run by its config, so not there. */
function localPaths(path: string): readonly string[] {
  const clean = path.replace(/\/+$/, '');
  return [clean, `${clean}/.git`];
}

function configValue(text: string): string {
  return `"${text.replace(/\p{Cc}/gu, ' ').replace(/["\\]/g, '\\$&')}"`;
}

/** Written whole and renamed into place, so that another process of ours never reads half of it. */
export async function writeOwn(path: string, content: string, mode = 0o600): Promise<void> {
  const there = await readFile(path, 'utf8').catch(() => undefined);
  if (there === content) return;
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, content, { mode });
  await chmod(fresh, mode);
  await rename(fresh, path);
}
