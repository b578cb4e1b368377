/**
 * What the controller does next; the only thing it may decide an error by.
 *   retry            the pass, or the step, is tried again with backoff
 *   wait-for-commit  only a person can mend it, by a commit or on the host
 *   exit             the process was started wrongly
 */
export type Reaction = 'retry' | 'wait-for-commit' | 'exit';

/** Every error that this program raises on purpose. deploy/README.md explains each; a test holds the two together. */
export const ERRORS = {
  E_CONFIG_INVALID: { reaction: 'exit', summary: 'operator.yaml is missing or has mistakes.' },
  E_STATE_LOCKED: { reaction: 'exit', summary: 'Another operator uses the same state folder.' },
  E_USAGE: { reaction: 'exit', summary: 'The command line is wrong.' },
  E_GIT_REMOTE: { reaction: 'retry', summary: 'The git remote cannot be read.' },
  E_GIT_LIMIT: { reaction: 'wait-for-commit', summary: 'The manifests repository is over a size limit.' },
  E_GIT_CONTENT: {
    reaction: 'wait-for-commit',
    summary: 'A file of the manifests repository is not readable text.',
  },
  E_GIT_REWIND: {
    reaction: 'wait-for-commit',
    summary: 'The branch was rewritten, or taken back behind what was applied.',
  },
  E_GIT_SIGNATURE: {
    reaction: 'wait-for-commit',
    summary: 'A commit is not signed as operator.yaml demands.',
  },
  E_NOTES_PUSH: { reaction: 'retry', summary: 'A git note cannot be pushed to the remote.' },
  E_SSH_UNREACHABLE: { reaction: 'retry', summary: 'SSH to a host failed or timed out.' },
  E_SSH_AUTH: { reaction: 'retry', summary: 'A host refused the SSH user or key.' },
  E_SSH_HOST_KEY: { reaction: 'retry', summary: "A host's SSH key is unknown, changed or revoked." },
  E_LIBVIRT_UNREACHABLE: { reaction: 'retry', summary: "SSH works but libvirt's socket cannot be reached." },
  E_LIBVIRT: { reaction: 'retry', summary: 'libvirt refused a call.' },
  E_COPY: { reaction: 'retry', summary: 'A volume cannot be copied to another host.' },
  E_OUTCOME_UNKNOWN: { reaction: 'retry', summary: 'The connection broke while a step ran.' },
  E_POSTCONDITION: { reaction: 'retry', summary: 'A step ran and the host does not show its result.' },
  E_NOT_OURS: { reaction: 'retry', summary: 'A VM or volume of that name exists and is not ours.' },
  E_IMAGE_MISSING: {
    reaction: 'retry',
    summary: 'A base image cannot be had: not on the host, not to be read, or not what git names.',
  },
  E_GUEST_DEAF: {
    reaction: 'retry',
    summary: 'A guest is paused, suspended or crashed, and cannot shut down.',
  },
  E_SECRET: { reaction: 'retry', summary: 'A secret that a manifest refers to cannot be had.' },
  E_GUEST: { reaction: 'retry', summary: 'A guest did not take its host name.' },
  E_SNAPSHOT: { reaction: 'retry', summary: 'A snapshot cannot be taken, merged or reverted to now.' },
  E_MOVE: { reaction: 'retry', summary: 'A VM cannot be moved to another host now.' },
  E_DNSMASQ: { reaction: 'retry', summary: 'dnsmasq cannot be found, read, written for or signalled.' },
  E_TIMEOUT: { reaction: 'retry', summary: 'Something took longer than its limit.' },
} as const satisfies Record<string, { reaction: Reaction; summary: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error that this program expects. Anything else that is thrown is a bug. */
export class OperatorError extends Error {
  readonly code: ErrorCode;
  readonly context: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; context?: Record<string, string> } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'OperatorError';
    this.code = code;
    this.context = options.context ?? {};
  }
}

/** The message of anything thrown, for a log line or a note. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
