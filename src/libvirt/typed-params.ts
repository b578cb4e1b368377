import { type Codec, STRING_MAX_BYTES } from './xdr.ts';
import { XdrError, type XdrReader } from './xdr-reader.ts';
import type { XdrWriter } from './xdr-writer.ts';

type TypedParam = number | string | boolean;

/** libvirt's list of typed parameters by name. */
export type TypedParams = Readonly<Record<string, TypedParam>>;

/** The same list where a name may come more than once. */
export type TypedParamList = readonly (readonly [field: string, value: TypedParam])[];

const TYPE = { int: 1, uint: 2, llong: 3, ullong: 4, double: 5, boolean: 6, string: 7 } as const;

/**
 * A parameter list of at most `max`. 64 bit counters above 2^53 are rounded. When written, an integer goes out as llong or
 * ullong and any other number as double: libvirt's own choice of integer type does not survive the way back.
 */
export function typedParamList(max: number): Codec<TypedParamList> {
  return {
    encode(w, params) {
      w.count(params.length, max);
      for (const [field, value] of params) {
        w.string(field, STRING_MAX_BYTES);
        encodeValue(w, value);
      }
    },
    decode(r) {
      const params: [string, TypedParam][] = [];
      for (let left = r.length(max); left > 0; left--)
        params.push([r.string(STRING_MAX_BYTES), decodeValue(r)]);
      return params;
    },
  };
}

/** As typedParamList, as a plain record. */
export function typedParams(max: number): Codec<TypedParams> {
  const list = typedParamList(max);
  return {
    encode: (w, params) => list.encode(w, Object.entries(params)),
    decode: (r) => Object.fromEntries(list.decode(r)),
  };
}

function encodeValue(w: XdrWriter, value: TypedParam): void {
  if (typeof value === 'string') {
    w.int(TYPE.string);
    w.string(value, STRING_MAX_BYTES);
  } else if (typeof value === 'boolean') {
    w.int(TYPE.boolean);
    w.int(value ? 1 : 0);
  } else if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    w.int(value < 0 ? TYPE.llong : TYPE.ullong);
    w.hyper(value);
  } else {
    w.int(TYPE.double);
    w.double(value);
  }
}

function decodeValue(r: XdrReader): TypedParam {
  const type = r.int();
  switch (type) {
    case TYPE.int:
      return r.int();
    case TYPE.uint:
      return r.uint();
    case TYPE.llong:
      return r.hyperLossy();
    case TYPE.ullong:
      return r.uhyperLossy();
    case TYPE.double:
      return r.double();
    case TYPE.boolean:
      return r.int() !== 0;
    case TYPE.string:
      return r.string(STRING_MAX_BYTES);
    default:
      throw new XdrError(`${type} is no type of a parameter`);
  }
}
