import { readFile, writeFile } from 'node:fs/promises';
import type { ServerHostKeyAlgorithm } from 'ssh2';
import { errorMessage, OperatorError } from '../errors.ts';
import {
  blobType,
  fingerprint,
  type KnownKey,
  type KnownKeys,
  knownHostsProblems,
  knownKeys,
  type LineProblem,
  lookupName,
} from './known-hosts.ts';
import { endpointOf, type SshTarget } from './ssh-target.ts';

/** The pinned keys of one target, and what its server offered. */
export interface PinnedKeys {
  /** For ssh2: true only for a key that the file knows and does not revoke. */
  readonly verify: (offered: Buffer) => boolean;
  /** The algorithms to offer, so that the server shows a key that the file can know; undefined: any. */
  readonly algorithms: ServerHostKeyAlgorithm[] | undefined;
  /** E_SSH_HOST_KEY for the key that `verify` refused; undefined when it refused none. */
  readonly refusal: () => OperatorError | undefined;
  /** After a login: writes the key that was believed, if it was the first one. */
  readonly remember: () => Promise<void>;
}

const ALGORITHMS: Readonly<Record<string, readonly ServerHostKeyAlgorithm[]>> = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
};

/** Reads the target's known_hosts file anew, so that a key which was just added counts. */
export async function pinHostKeys(target: SshTarget): Promise<PinnedKeys> {
  const text = await readKnownHosts(target);
  const known = knownKeys(text, target.address, target.port);
  const trusting = target.trustFirst === true && text.trim() === '';
  let refused: Buffer | undefined;
  let first: Buffer | undefined;
  const verify = (offered: Buffer) => {
    if (trusting) first = offered;
    const accepted = trusting || (includes(known.keys, offered) && !includes(known.revoked, offered));
    refused = accepted ? undefined : offered;
    return accepted;
  };
  const algorithms = Object.entries(ALGORITHMS)
    .filter(([type]) => known.keys.some((key) => key.type === type))
    .flatMap(([, names]) => names);
  return {
    verify,
    algorithms: algorithms.length > 0 ? algorithms : undefined,
    refusal: () =>
      refused === undefined
        ? undefined
        : refusal(target, { ...known, problems: knownHostsProblems(text) }, refused),
    remember: async () => {
      // For whatever address the machine has: the file is about this one alone.
      if (first !== undefined)
        await writeFile(target.knownHosts, `* ${blobType(first)} ${first.toString('base64')}\n`, {
          flag: 'a',
          flush: true,
        });
    },
  };
}

async function readKnownHosts(target: SshTarget): Promise<string> {
  try {
    return await readFile(target.knownHosts, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new OperatorError(
      'E_SSH_HOST_KEY',
      `host '${target.name}': ${target.knownHosts} cannot be read: ${errorMessage(error)}`,
      { cause: error, context: { host: target.name } },
    );
  }
}

function includes(keys: readonly KnownKey[], blob: Buffer): boolean {
  return keys.some((key) => key.base64 === blob.toString('base64'));
}

interface KnownFile extends KnownKeys {
  readonly problems: readonly LineProblem[];
}

function refusal(target: SshTarget, known: KnownFile, offered: Buffer): OperatorError {
  const type = blobType(offered) ?? 'unknown type';
  const server = `host '${target.name}': ${endpointOf(target)} offered the key ${type} ${fingerprint(offered)}`;
  const notes = [...authorityNotes(target, known), ...problemNotes(target, known)].map((note) => ` ${note}`);
  const message = `${server}, ${verdict(target, known, offered)}${notes.join('')}`;
  return new OperatorError('E_SSH_HOST_KEY', message, {
    context: { host: target.name, knownHosts: target.knownHosts, fingerprint: fingerprint(offered) },
  });
}

function verdict(target: SshTarget, known: KnownKeys, offered: Buffer): string {
  const file = target.knownHosts;
  const revoked = known.revoked.find((key) => key.base64 === offered.toString('base64'));
  if (revoked) {
    return `which ${file}:${revoked.line} revokes. It is never accepted: give the host a new key, then add that one.`;
  }
  const compare = `compare the fingerprint with the host's own (on it: ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub)`;
  if (known.keys.length === 0) {
    return `which is unknown: ${file} has no key for ${lookupName(target.address, target.port)}. First ${compare}, then add it: ${scanCommand(target)}`;
  }
  const expected = known.keys.map((key) => `${describe(key)} (line ${key.line})`).join(', ');
  const forget = `ssh-keygen -R '${lookupName(target.address, target.port)}' -f ${file}`;
  return `but ${file} knows ${expected}: the key HAS CHANGED. The host was installed anew, or somebody stands in between. Only if you know why, ${compare}, remove the old key: ${forget}, and add the new one: ${scanCommand(target)}`;
}

function scanCommand(target: SshTarget): string {
  const { jump } = target;
  const via = jump === undefined ? '' : `ssh -p ${jump.port} ${jump.user}@${jump.address} `;
  return `${via}ssh-keyscan -p ${target.port} ${target.address} >> ${target.knownHosts}`;
}

function describe(key: KnownKey): string {
  return `${key.type} ${fingerprint(Buffer.from(key.base64, 'base64'))}`;
}

function authorityNotes(target: SshTarget, known: KnownKeys): string[] {
  return known.authorities
    .slice(0, 1)
    .map(
      ({ line }) =>
        `(${target.knownHosts}:${line} is a @cert-authority: host certificates are not supported, so the key itself must be there.)`,
    );
}

function problemNotes(target: SshTarget, known: KnownFile): string[] {
  return known.problems
    .slice(0, 5)
    .map(({ line, message }) => `(${target.knownHosts}:${line} cannot be read: ${message}.)`);
}
