import { XdrError, XdrReader } from './xdr-reader.ts';
import { XdrWriter } from './xdr-writer.ts';

/** How a type of the protocol is written and read; a client encodes arguments and decodes replies, a server the reverse. */
export interface Codec<T> {
  encode(writer: XdrWriter, value: T): void;
  decode(reader: XdrReader): T;
}

/** The TypeScript type that a codec carries. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

/** REMOTE_STRING_MAX. */
export const STRING_MAX_BYTES = 4 * 1024 * 1024;

/** No body at all. */
export const nothing: Codec<undefined> = { encode() {}, decode: () => undefined };

export const int: Codec<number> = { encode: (w, v) => w.int(v), decode: (r) => r.int() };
export const uint: Codec<number> = { encode: (w, v) => w.uint(v), decode: (r) => r.uint() };

/** An unsigned 64 bit integer; one that a number cannot hold exactly is an error. */
export const uhyper: Codec<number> = {
  encode: (w, v) => w.uhyper(v),
  decode: (r) => exact(r.uhyperLossy()),
};

/** The int that libvirt uses for yes and no. */
export const flag: Codec<boolean> = { encode: (w, v) => w.int(v ? 1 : 0), decode: (r) => r.int() !== 0 };

export const string: Codec<string> = {
  encode: (w, v) => w.string(v, STRING_MAX_BYTES),
  decode: (r) => r.string(STRING_MAX_BYTES),
};

/** 16 bytes, as the usual text of 36 characters in lower case. */
export const uuid: Codec<string> = { encode: (w, v) => w.uuid(v), decode: (r) => r.uuid() };

/** Everything up to the packet's end, as it is: the payload of a stream packet. */
export const rest: Codec<Buffer> = { encode: (w, v) => w.raw(v), decode: (r) => r.rest() };

/** `opaque<max>`: bytes behind their number. */
export function opaque(max: number): Codec<Buffer> {
  return { encode: (w, v) => w.opaque(v, max), decode: (r) => r.opaque(max) };
}

/** `char text[length]`: XDR spends four bytes on each character. ASCII, ended by a zero. */
export function charArray(length: number): Codec<string> {
  return {
    encode(w, v) {
      if (v.length >= length) throw new XdrError(`'${v}' has more than ${length - 1} characters`);
      for (let i = 0; i < length; i++) w.int(i < v.length ? v.charCodeAt(i) & 0x7f : 0);
    },
    decode(r) {
      const codes = Array.from({ length }, () => r.int() & 0xff);
      const end = codes.indexOf(0);
      return String.fromCharCode(...codes.slice(0, end === -1 ? length : end));
    },
  };
}

export function optional<T>(inner: Codec<T>): Codec<T | undefined> {
  return {
    encode(w, v) {
      w.uint(v === undefined ? 0 : 1);
      if (v !== undefined) inner.encode(w, v);
    },
    decode(r) {
      const present = r.uint();
      if (present > 1) throw new XdrError(`${present} where 0 or 1 tells whether a value follows`);
      return present === 1 ? inner.decode(r) : undefined;
    },
  };
}

/** At most `max` values, each of at least 4 bytes. */
export function array<T>(inner: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    encode(w, v) {
      w.count(v.length, max);
      for (const item of v) inner.encode(w, item);
    },
    decode(r) {
      const count = r.length(max);
      if (count * 4 > r.remaining) throw new XdrError(`${count} values do not fit into ${r.remaining} bytes`);
      const items: T[] = [];
      for (let i = 0; i < count; i++) items.push(inner.decode(r));
      return items;
    },
  };
}

type Fields = Readonly<Record<string, Codec<unknown>>>;
type StructOf<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** Fields one after the other, in the order of the literal. */
export function struct<F extends Fields>(fields: F): Codec<StructOf<F>> {
  const entries = Object.entries(fields);
  return {
    encode(w, v) {
      const values: Readonly<Record<string, unknown>> = v;
      for (const [key, codec] of entries) codec.encode(w, values[key]);
    },
    decode(r) {
      const values: Record<string, unknown> = {};
      for (const [key, codec] of entries) values[key] = codec.decode(r);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- one value per field was just put in
      return values as StructOf<F>;
    },
  };
}

/** The bytes of one value. */
export function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new XdrWriter();
  codec.encode(writer, value);
  return writer.finish();
}

/** The value in `bytes`; bytes left over are an error. */
export function decode<T>(codec: Codec<T>, bytes: Buffer): T {
  const reader = new XdrReader(bytes);
  const value = codec.decode(reader);
  reader.end();
  return value;
}

function exact(value: number): number {
  if (!Number.isSafeInteger(value)) throw new XdrError(`${value} has more than 53 bits`);
  return value;
}
