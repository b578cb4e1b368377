import { LIBVIRT_CODES } from '../libvirt/errors.ts';

/** virErrorNumber: those of the client, and some that only a daemon needs to name. */
export const CODES = { ...LIBVIRT_CODES, NO_CONNECT: 5, NO_TARGET: 20, NO_NAME: 21 } as const;

/** virErrorDomain: the part of libvirt that complains. */
const ORIGIN = { none: 0, xml: 5, rpc: 7, qemu: 10, storage: 18, domain: 20, snapshot: 48 } as const;
export type Origin = keyof typeof ORIGIN;

/** An error of libvirt, as it goes out in a reply. */
export class LibvirtFailure extends Error {
  override readonly name = 'LibvirtFailure';
  /** virErrorNumber. */
  readonly code: number;
  /** virErrorDomain. */
  readonly origin: number;

  constructor(code: number, origin: Origin, message: string) {
    super(message);
    this.code = code;
    this.origin = ORIGIN[origin];
  }
}

/** The operation does not fit the state that the domain or pool is in. */
export function wrongState(origin: Origin, what: string): LibvirtFailure {
  return new LibvirtFailure(CODES.OPERATION_INVALID, origin, `Requested operation is not valid: ${what}`);
}

export function invalidArgument(origin: Origin, message: string): LibvirtFailure {
  return new LibvirtFailure(CODES.INVALID_ARG, origin, message);
}

export function internalError(origin: Origin, what: string): LibvirtFailure {
  return new LibvirtFailure(CODES.INTERNAL_ERROR, origin, `internal error: ${what}`);
}

export function unsupportedConfig(origin: Origin, what: string): LibvirtFailure {
  return new LibvirtFailure(CODES.CONFIG_UNSUPPORTED, origin, `unsupported configuration: ${what}`);
}

export function xmlError(origin: Origin, what: string): LibvirtFailure {
  return new LibvirtFailure(CODES.XML_ERROR, origin, `XML error: ${what}`);
}

/** What the operating system said, such as ENOENT. */
export function systemError(origin: Origin, message: string): LibvirtFailure {
  return new LibvirtFailure(CODES.SYSTEM_ERROR, origin, message);
}

export function operationFailed(origin: Origin, what: string): LibvirtFailure {
  return new LibvirtFailure(CODES.OPERATION_FAILED, origin, `operation failed: ${what}`);
}

export function noDomain(what: string): LibvirtFailure {
  return new LibvirtFailure(CODES.NO_DOMAIN, 'qemu', `Domain not found: no domain with matching ${what}`);
}

export function noPool(what: string): LibvirtFailure {
  return new LibvirtFailure(
    CODES.NO_STORAGE_POOL,
    'storage',
    `Storage pool not found: no storage pool with matching ${what}`,
  );
}

export function noVolume(what: string): LibvirtFailure {
  return new LibvirtFailure(
    CODES.NO_STORAGE_VOL,
    'storage',
    `Storage volume not found: no storage vol with matching ${what}`,
  );
}

/** Refuses flags that libvirt's function of that name does not know. */
export function allowFlags(flags: number, allowed: number, origin: Origin, call: string): void {
  const strange = (flags & ~allowed) >>> 0;
  if (strange === 0) return;
  throw invalidArgument(origin, `unsupported flags (0x${strange.toString(16)}) in function ${call}`);
}
