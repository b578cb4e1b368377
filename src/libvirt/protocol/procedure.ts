import { PROGRAM } from '../packet.ts';
import { type Codec, int, optional, string, struct, uhyper, uint, uuid, type ValueOf } from '../xdr.ts';

/** One remote procedure: its number in libvirt's remote_protocol.x or qemu_protocol.x, and the codecs of both directions. */
export interface Procedure<A, R> {
  readonly program: number;
  readonly number: number;
  readonly args: Codec<A>;
  readonly reply: Codec<R>;
}

/** One line of the table. */
export function procedure<A, R>(number: number, args: Codec<A>, reply: Codec<R>): Procedure<A, R> {
  return { program: PROGRAM.remote, number, args, reply };
}

/** A line of the program that only QEMU's driver speaks. */
export function qemuProcedure<A, R>(number: number, args: Codec<A>, reply: Codec<R>): Procedure<A, R> {
  return { program: PROGRAM.qemu, number, args, reply };
}

/** A domain as the protocol names it. The daemon finds it by uuid; `id` is -1 while it is off. */
export const domainRef = struct({ name: string, uuid, id: int });
export type DomainRef = ValueOf<typeof domainRef>;

export const poolRef = struct({ name: string, uuid });
export type PoolRef = ValueOf<typeof poolRef>;

/** A volume as the protocol names it: `pool` is the pool's name, `key` is mostly the path. */
export const volumeRef = struct({ pool: string, name: string, key: string });
export type VolumeRef = ValueOf<typeof volumeRef>;

/** REMOTE_DOMAIN_LIST_MAX, REMOTE_STORAGE_POOL_LIST_MAX and REMOTE_STORAGE_VOL_LIST_MAX are all this. */
export const LIST_MAX = 16_384;

/** The body of a stream packet that stands for so many bytes of which nothing is stored. */
export const streamHole = struct({ lengthBytes: uhyper, flags: uint });

const network = struct({ name: string, uuid });

/** The body of a reply, or of a stream packet, whose status is error. */
export const remoteError = struct({
  code: int,
  domain: int,
  message: optional(string),
  level: int,
  dom: optional(domainRef),
  str1: optional(string),
  str2: optional(string),
  str3: optional(string),
  int1: int,
  int2: int,
  net: optional(network),
});
export type RemoteError = ValueOf<typeof remoteError>;
