import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { domainRef, remoteError } from '../../src/libvirt/protocol/procedure.ts';
import { procedures } from '../../src/libvirt/protocol.ts';
import { typedParams } from '../../src/libvirt/typed-params.ts';
import {
  array,
  type Codec,
  charArray,
  decode,
  encode,
  flag,
  int,
  optional,
  string,
  struct,
  uhyper,
  uint,
  uuid,
} from '../../src/libvirt/xdr.ts';
import { XdrError } from '../../src/libvirt/xdr-reader.ts';

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const domain = fc.record({ name: text, uuid: fc.uuid(), id: fc.integer({ min: -1, max: 100_000 }) });

function roundTrip<T>(codec: Codec<T>, values: fc.Arbitrary<T>): () => void {
  const property = fc.property(values, (value) => {
    const bytes = encode(codec, value);
    expect(bytes.length % 4).toBe(0);
    expect(decode(codec, bytes)).toEqual(value);
  });
  return () => fc.assert(property);
}

const nested = struct({ a: int, b: optional(struct({ c: string, d: array(uint, 20) })) });
const nestedValue = fc.record({
  a: fc.integer({ min: -5, max: 5 }),
  b: fc.option(fc.record({ c: text, d: fc.array(fc.nat(), { maxLength: 20 }) }), { nil: undefined }),
});
const param = fc.oneof(fc.boolean(), text, fc.double(), fc.maxSafeInteger());
const params = fc.dictionary(
  text.filter((key) => key !== '__proto__'),
  param,
  { noNullPrototype: true },
);

describe('what is encoded decodes to the same', () => {
  it.each<[string, () => void]>([
    ['an int', roundTrip(int, fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }))],
    ['an unsigned int', roundTrip(uint, fc.integer({ min: 0, max: 2 ** 32 - 1 }))],
    ['an unsigned hyper', roundTrip(uhyper, fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }))],
    ['a flag', roundTrip(flag, fc.boolean())],
    ['a string', roundTrip(string, text)],
    ['a uuid', roundTrip(uuid, fc.uuid())],
    ['a char array', roundTrip(charArray(32), fc.stringMatching(/^[ -~]{0,31}$/))],
    ['a domain', roundTrip(domainRef, domain)],
    ['an optional', roundTrip(optional(string), fc.option(text, { nil: undefined }))],
    ['a list', roundTrip(array(domainRef, 100), fc.array(domain))],
    ['structs in structs', roundTrip(nested, nestedValue)],
    ['typed parameters, whatever mixture they are', roundTrip(typedParams(1000), params)],
  ])('%s', (_, check) => {
    expect(check).not.toThrow();
  });
});

describe('on the wire', () => {
  it.each<[string, Buffer, string]>([
    [
      'a string is its length, its bytes and zeros up to a multiple of four',
      encode(string, 'abcde'),
      '00000005 61626364 65000000',
    ],
    ['a string is UTF-8', encode(string, 'ü'), '00000002 c3bc0000'],
    ['a negative int is in two’s complement', encode(int, -2), 'fffffffe'],
    ['an unsigned hyper is eight bytes', encode(uhyper, 2 ** 53 - 1), '001fffff ffffffff'],
    ['an absent value is a zero', encode(optional(int), undefined), '00000000'],
    [
      'a uuid is its 16 bytes',
      encode(uuid, '00112233-4455-6677-8899-AABBCCDDEEFF'),
      '00112233 44556677 8899aabb ccddeeff',
    ],
    [
      'a char array spends four bytes on each character',
      encode(charArray(3), 'a'),
      '00000061 00000000 00000000',
    ],
    [
      'a typed parameter is name, type, value',
      encode(typedParams(1), { a: true }),
      '00000001 00000001 61000000 00000006 00000001',
    ],
  ])('%s', (_, bytes, hex) => {
    expect(bytes.toString('hex')).toBe(hex.replaceAll(' ', ''));
  });

  it.each<[string, string, number | string | boolean]>([
    ['int', '00000001 fffffffe', -2],
    ['unsigned int', '00000002 fffffffe', 4_294_967_294],
    ['long long', '00000003 ffffffff fffffffe', -2],
    ['unsigned long long, rounded above 2^53', '00000004 ffffffff ffffffff', 2 ** 64],
    ['double', '00000005 3ff80000 00000000', 1.5],
    ['boolean', '00000006 00000000', false],
    ['string', '00000007 00000001 78000000', 'x'],
  ])('libvirt’s typed parameter of type %s is read', (_, hex, value) => {
    const bytes = Buffer.from(`0000000100000001 6b000000${hex}`.replaceAll(' ', ''), 'hex');
    expect(decode(typedParams(1), bytes)).toEqual({ k: value });
  });
});

describe('what XDR cannot carry is refused', () => {
  it.each<[string, () => unknown]>([
    ['a fraction', () => encode(int, 1.5)],
    ['an int that is too large', () => encode(int, 2 ** 31)],
    ['a negative unsigned int', () => encode(uint, -1)],
    ['a negative unsigned hyper', () => encode(uhyper, -1)],
    ['an unsigned hyper that is not exact', () => encode(uhyper, 2 ** 53)],
    ['not a number', () => encode(uint, Number.NaN)],
    ['a zero byte in a string, where the daemon would end it', () => encode(string, 'web\0x')],
    ['a string over 4 MiB', () => encode(string, 'x'.repeat(4 * 1024 * 1024 + 1))],
    ['a uuid of the wrong form', () => encode(uuid, '0011')],
    ['a list over its limit', () => encode(array(int, 2), [1, 2, 3])],
    ['a text over its char array', () => encode(charArray(2), 'ab')],
  ])('%s', (_, action) => {
    expect(action).toThrow(XdrError);
  });
});

describe('bytes that are not what the protocol says are refused', () => {
  it.each<[string, Codec<unknown>, string]>([
    ['an early end', int, '0000'],
    ['bytes left over', int, '0000000100000002'],
    ['a string that claims more than there is', string, '0000000861626364'],
    ['a string that claims 4 GiB', string, 'ffffffff'],
    ['missing padding', string, '0000000161'],
    ['a list that claims more than there is', array(int, 16_384), '0000400000000001'],
    ['a list over its limit', array(int, 2), '00000003000000010000000100000001'],
    ['an optional that is neither there nor not', optional(int), '0000000200000001'],
    ['an unsigned hyper that a number cannot hold', uhyper, '0020000000000001'],
    ['a typed parameter of an unknown type', typedParams(1), '00000001000000016b0000000000000800000001'],
  ])('%s', (_, codec, hex) => {
    expect(() => decode(codec, Buffer.from(hex, 'hex'))).toThrow(XdrError);
  });

  it('whatever they are: random bytes decode or are refused, for every procedure', () => {
    const codecs: Codec<unknown>[] = [
      remoteError,
      ...Object.values(procedures).flatMap((p) => [p.args, p.reply]),
    ];
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.constantFrom(0, 0, 0, 1, 2, 7, 255), { maxLength: 200 }),
    );
    const property = fc.property(fc.constantFrom(...codecs), bytes, (codec, random) => {
      try {
        decode(codec, Buffer.from(random));
        return true;
      } catch (error) {
        return error instanceof XdrError;
      }
    });
    expect(() => fc.assert(property, { numRuns: 2000 })).not.toThrow();
  });
});
