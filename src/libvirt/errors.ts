import type { RemoteError } from './protocol/procedure.ts';

/** virErrorNumber, those that a program branches on or a person should read by name. */
export const LIBVIRT_CODES = {
  INTERNAL_ERROR: 1,
  NO_SUPPORT: 3,
  INVALID_ARG: 8,
  OPERATION_FAILED: 9,
  XML_ERROR: 27,
  DOM_EXIST: 28,
  OPERATION_DENIED: 29,
  PARSE_FAILED: 32,
  XML_DETAIL: 35,
  SYSTEM_ERROR: 38,
  RPC: 39,
  NO_DOMAIN: 42,
  AUTH_FAILED: 45,
  INVALID_STORAGE_POOL: 46,
  INVALID_STORAGE_VOL: 47,
  NO_STORAGE_POOL: 49,
  NO_STORAGE_VOL: 50,
  OPERATION_INVALID: 55,
  CONFIG_UNSUPPORTED: 67,
  OPERATION_TIMEOUT: 68,
  ARGUMENT_UNSUPPORTED: 74,
  STORAGE_PROBE_FAILED: 75,
  STORAGE_POOL_BUILT: 76,
  OPERATION_ABORTED: 78,
  AUTH_CANCELLED: 79,
  NO_DOMAIN_METADATA: 80,
  BLOCK_COPY_ACTIVE: 83,
  OPERATION_UNSUPPORTED: 84,
  AGENT_UNRESPONSIVE: 86,
  RESOURCE_BUSY: 87,
  ACCESS_DENIED: 88,
  STORAGE_VOL_EXIST: 90,
  CPU_INCOMPATIBLE: 91,
  XML_INVALID_SCHEMA: 92,
  MIGRATE_FINISH_OK: 93,
  AUTH_UNAVAILABLE: 94,
  AGENT_UNSYNCED: 97,
  DEVICE_MISSING: 99,
  AGENT_COMMAND_TIMEOUT: 112,
  AGENT_COMMAND_FAILED: 113,
} as const;

export type LibvirtCodeName = keyof typeof LIBVIRT_CODES;

const NAMES = new Map<number, string>(Object.entries(LIBVIRT_CODES).map(([name, code]) => [code, name]));

/** What libvirt answered instead of a result. The call has had its end: nothing is under way any more. */
export class LibvirtError extends Error {
  override readonly name = 'LibvirtError';
  /** virErrorNumber. */
  readonly code: number;
  /** The code's name in LIBVIRT_CODES, or `code 123`. */
  readonly codeName: string;
  /** virErrorDomain: the part of libvirt that complains. */
  readonly domain: number;
  /** 1 warning, 2 error. */
  readonly level: number;
  /** The procedure that was called. */
  readonly procedure: string;

  constructor(procedure: string, error: Pick<RemoteError, 'code' | 'domain' | 'message' | 'level'>) {
    const codeName = NAMES.get(error.code) ?? `code ${error.code}`;
    super(error.message ?? `libvirt refused ${procedure} with ${codeName} and no message`);
    this.code = error.code;
    this.codeName = codeName;
    this.domain = error.domain;
    this.level = error.level;
    this.procedure = procedure;
  }
}

/** True for libvirt's answer with one of these codes. */
export function isLibvirtError(error: unknown, ...names: readonly LibvirtCodeName[]): error is LibvirtError {
  return error instanceof LibvirtError && names.some((name) => LIBVIRT_CODES[name] === error.code);
}

/** The connection ended. `outcomeUnknown`: the call had been sent, so the host may or may not have done it. */
export class ConnectionClosedError extends Error {
  override readonly name = 'ConnectionClosedError';
  readonly outcomeUnknown: boolean;

  constructor(message: string, options: { outcomeUnknown: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.outcomeUnknown = options.outcomeUnknown;
  }
}

/** No reply in time; the connection stays. `outcomeUnknown` as for ConnectionClosedError. */
export class CallTimeoutError extends Error {
  override readonly name = 'CallTimeoutError';
  readonly procedure: string;
  readonly timeoutMs: number;
  readonly outcomeUnknown: boolean;

  constructor(procedure: string, timeoutMs: number, outcomeUnknown: boolean) {
    const hint = outcomeUnknown ? '; its outcome is unknown' : '; it was never sent';
    super(`libvirt did not answer ${procedure} within ${timeoutMs} ms${hint}`);
    this.procedure = procedure;
    this.timeoutMs = timeoutMs;
    this.outcomeUnknown = outcomeUnknown;
  }
}
