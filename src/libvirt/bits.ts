import type { CallOptions } from './pending-calls.ts';

/** A call's options with a yes or no for each of the bits. */
export type BitOptions<Bits> = CallOptions & { readonly [K in keyof Bits]?: boolean | undefined };

type Choices<K extends string> = { readonly [P in NoInfer<K>]?: boolean | undefined };

/** Adds up the bits of the options that are true. */
export function bitsOf<K extends string>(bits: Readonly<Record<K, number>>, choices: Choices<K>): number {
  let sum = 0;
  for (const key in bits) if (choices[key] === true) sum |= bits[key];
  return sum >>> 0;
}

/** As bitsOf, for filters with a bit for yes and another for no; what is not asked about has neither. */
export function filterBitsOf<K extends string>(
  bits: Readonly<Record<K, readonly [yes: number, no: number]>>,
  choices: Choices<K>,
): number {
  let sum = 0;
  for (const key in bits) {
    const [yes, no] = bits[key];
    if (choices[key] === true) sum |= yes;
    if (choices[key] === false) sum |= no;
  }
  return sum;
}
