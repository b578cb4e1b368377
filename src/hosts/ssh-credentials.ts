import { errorMessage, OperatorError } from '../errors.ts';
import { readPrivateFile } from '../private-file.ts';
import type { SshTarget } from './ssh-target.ts';

/** What ssh2 needs to authenticate. */
export interface Credentials {
  readonly privateKey?: string;
  readonly passphrase?: string;
  readonly agent?: string;
}

/** Reads key and passphrase anew at each connect. E_SSH_AUTH when one of them cannot be read. */
export function readCredentials(target: SshTarget): Credentials {
  const { key, passphraseFile, agentSocket } = target;
  if (key === undefined && agentSocket === undefined) {
    throw authError(target, 'there is neither a key nor an agent: set ssh.key or ssh.agent');
  }
  return {
    ...(agentSocket === undefined ? {} : { agent: agentSocket }),
    ...(key === undefined ? {} : { privateKey: readSecret(target, key) }),
    ...(passphraseFile === undefined
      ? {}
      : { passphrase: readSecret(target, passphraseFile).replace(/\r?\n$/, '') }),
  };
}

/** E_SSH_AUTH with the host's name in front and in the context. */
export function authError(target: SshTarget, message: string, cause?: unknown): OperatorError {
  return new OperatorError('E_SSH_AUTH', `host '${target.name}': ${message}`, {
    cause,
    context: { host: target.name, user: target.user },
  });
}

/** `key FILE`, `agent SOCKET` or both: what was tried, for messages. */
export function describeCredentials(target: SshTarget): string {
  const key = target.key === undefined ? [] : [`key ${target.key}`];
  const agent = target.agentSocket === undefined ? [] : [`agent ${target.agentSocket}`];
  return [...key, ...agent].join(' and ');
}

function readSecret(target: SshTarget, path: string): string {
  try {
    return readPrivateFile(path);
  } catch (error) {
    throw authError(target, `${path} cannot be used: ${errorMessage(error)}`, error);
  }
}
