import { XdrError } from './xdr-reader.ts';

const INITIAL_BYTES = 512;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Writes XDR into a buffer that grows as needed; throws XdrError for what XDR cannot carry. */
export class XdrWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  int(value: number): void {
    if (value !== (value | 0)) throw new XdrError(`${value} is not a 32 bit integer`);
    const at = this.#grow(4);
    this.#bytes.writeInt32BE(value, at);
  }

  uint(value: number): void {
    if (value !== value >>> 0) throw new XdrError(`${value} is not an unsigned 32 bit integer`);
    const at = this.#grow(4);
    this.#bytes.writeUInt32BE(value, at);
  }

  hyper(value: number): void {
    if (!Number.isSafeInteger(value)) throw new XdrError(`${value} is not an exact integer`);
    const at = this.#grow(8);
    this.#bytes.writeInt32BE(Math.floor(value / 0x1_0000_0000), at);
    this.#bytes.writeUInt32BE(value >>> 0, at + 4);
  }

  uhyper(value: number): void {
    if (value < 0) throw new XdrError(`${value} is negative`);
    this.hyper(value);
  }

  double(value: number): void {
    const at = this.#grow(8);
    this.#bytes.writeDoubleBE(value, at);
  }

  /** A zero byte is refused: the daemon would take it for the string's end. */
  string(value: string, maxBytes: number): void {
    if (value.includes('\0')) throw new XdrError('a string holds a zero byte');
    const length = Buffer.byteLength(value);
    this.count(length, maxBytes);
    const at = this.#grow(length + (-length & 3));
    this.#bytes.write(value, at, 'utf8');
    this.#bytes.fill(0, at + length, this.#length);
  }

  opaque(value: Uint8Array, maxBytes: number): void {
    this.count(value.length, maxBytes);
    const at = this.#grow(value.length + (-value.length & 3));
    this.#bytes.set(value, at);
    this.#bytes.fill(0, at + value.length, this.#length);
  }

  /** A count of what follows, refused above `max`. */
  count(value: number, max: number): void {
    if (value > max) throw new XdrError(`a length of ${value} is over the limit of ${max}`);
    this.uint(value);
  }

  /** Bytes as they are, without padding. */
  raw(value: Uint8Array): void {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }

  uuid(value: string): void {
    if (!UUID.test(value)) throw new XdrError(`'${value}' is not a UUID`);
    const at = this.#grow(16);
    this.#bytes.write(value.replaceAll('-', ''), at, 'hex');
  }

  /** Writes over an unsigned integer that stands at `offset`. */
  patchUint(offset: number, value: number): void {
    this.#bytes.writeUInt32BE(value, offset);
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** What was written; the writer is not used after that. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    const length = at + count;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(length, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    this.#length = length;
    return at;
  }
}
