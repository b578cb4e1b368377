import { OperatorError } from '../errors.ts';
import type { PinnedKeys } from './host-keys.ts';
import { authError, describeCredentials } from './ssh-credentials.ts';
import { endpointOf, type SshTarget } from './ssh-target.ts';

/** Says why a connect failed in this program's terms. What is an OperatorError already stays as it is. */
export function connectError(target: SshTarget, pinned: PinnedKeys | undefined, error: unknown): unknown {
  if (error instanceof OperatorError || !(error instanceof Error)) return error;
  const refusal = pinned?.refusal();
  if (refusal !== undefined) return refusal;
  if (isNoCommonHostKey(error)) return otherKeyTypes(target, error);
  if (isKeyProblem(error)) return authError(target, `${target.key} cannot be used: ${keyHint(error)}`, error);
  if (isAuthFailure(error)) return refusedAuth(target, error);
  return unreachable(target, describeFailure(target, error), error);
}

/** E_SSH_UNREACHABLE with the host's name and address in front. */
export function unreachable(target: SshTarget, message: string, cause?: unknown): OperatorError {
  const via = target.jump === undefined ? '' : ` through ${endpointOf(target.jump)}`;
  const text = `host '${target.name}': SSH to ${endpointOf(target)}${via}: ${message}`;
  return new OperatorError('E_SSH_UNREACHABLE', text, {
    cause,
    context: { host: target.name, address: endpointOf(target) },
  });
}

/** The server has no host key of a type that known_hosts has. */
export function isNoCommonHostKey(error: unknown): boolean {
  return error instanceof Error && error.message.includes('no matching host key format');
}

function otherKeyTypes(target: SshTarget, cause: Error): OperatorError {
  return new OperatorError(
    'E_SSH_HOST_KEY',
    `host '${target.name}': ${endpointOf(target)} has no host key of a type that this program supports (ed25519, ECDSA, RSA)`,
    { cause, context: { host: target.name, knownHosts: target.knownHosts } },
  );
}

function isKeyProblem(error: Error): boolean {
  return /^Cannot parse privateKey|\(valid\) private key/.test(error.message);
}

function keyHint(error: Error): string {
  if (error.message.includes('no passphrase given')) return 'it is encrypted: set passphraseFile';
  return error.message.replace('Cannot parse privateKey: ', '');
}

function levelOf(error: Error): unknown {
  return 'level' in error ? error.level : undefined;
}

function isAuthFailure(error: Error): boolean {
  const level = levelOf(error);
  return level === 'client-authentication' || level === 'agent' || /authentication fail/i.test(error.message);
}

function refusedAuth(target: SshTarget, error: Error): OperatorError {
  const tried = describeCredentials(target);
  if (levelOf(error) === 'agent') return authError(target, `${tried} failed: ${error.message}`, error);
  return authError(
    target,
    `${endpointOf(target)} refused user ${target.user} with ${tried}: is the public key in that user's authorized_keys? (${error.message})`,
    error,
  );
}

function describeFailure(target: SshTarget, error: Error): string {
  if (error.message === 'Timed out while waiting for handshake') {
    return `no answer within ${target.connectTimeoutMs / 1000} s`;
  }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // Node's AggregateError, for a name with several addresses, has an empty message.
  const message = error.message || code || error.name;
  return message.includes(code) ? message : `${message} (${code})`;
}

/** Why a server refused to open a channel, as RFC 4254 numbers it; undefined when that is not what happened. */
export function openFailureReason(error: unknown): number | undefined {
  const reason = error instanceof Error && 'reason' in error ? error.reason : undefined;
  return typeof reason === 'number' ? reason : undefined;
}
