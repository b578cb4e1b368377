/** Bytes that are not what the protocol says, or a value that the protocol cannot carry. */
export class XdrError extends Error {
  override readonly name = 'XdrError';
}

/** Reads XDR out of one packet; throws XdrError rather than read past its end. */
export class XdrReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** How many bytes are still unread. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#advance(4));
  }

  uint(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  /** A 64 bit integer, rounded when it has more than 53 bits. */
  hyperLossy(): number {
    const at = this.#advance(8);
    return this.#bytes.readInt32BE(at) * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
  }

  /** As hyperLossy, for unsigned ones. */
  uhyperLossy(): number {
    const at = this.#advance(8);
    return this.#bytes.readUInt32BE(at) * 0x1_0000_0000 + this.#bytes.readUInt32BE(at + 4);
  }

  double(): number {
    return this.#bytes.readDoubleBE(this.#advance(8));
  }

  /** A count of what follows, refused above `max`. */
  length(max: number): number {
    const length = this.uint();
    if (length > max) throw new XdrError(`a length of ${length} is over the limit of ${max}`);
    return length;
  }

  string(maxBytes: number): string {
    const length = this.length(maxBytes);
    const at = this.#advancePadded(length);
    return this.#bytes.toString('utf8', at, at + length);
  }

  /** A view, not a copy. */
  opaque(maxBytes: number): Buffer {
    const length = this.length(maxBytes);
    const at = this.#advancePadded(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** 16 bytes as the usual 36 characters. */
  uuid(): string {
    const at = this.#advance(16);
    const hex = this.#bytes.toString('hex', at, at + 16);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** All that is left, without padding; a view, not a copy. */
  rest(): Buffer {
    return this.#bytes.subarray(this.#advance(this.remaining));
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.remaining > 0) throw new XdrError(`${this.remaining} bytes are left over`);
  }

  #advancePadded(length: number): number {
    return this.#advance(length + (-length & 3));
  }

  #advance(count: number): number {
    const at = this.#offset;
    if (count > this.#bytes.length - at) {
      throw new XdrError(`the packet ends early: ${count} bytes wanted, ${this.#bytes.length - at} there`);
    }
    this.#offset = at + count;
    return at;
  }
}
