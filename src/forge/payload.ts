import type { ForgeEvent } from './forge.ts';

/** The JSON of a body; undefined: it is none. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    // Not JSON, or not even text: the caller says what that means.
    return undefined;
  }
}

/** What stands under a key of its own; undefined where there is no such thing. */
export function at(value: unknown, ...keys: readonly string[]): unknown {
  let here = value;
  for (const key of keys) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = Reflect.get(here, key);
  }
  return here;
}

export function textAt(value: unknown, ...keys: readonly string[]): string | undefined {
  const text = at(value, ...keys);
  return typeof text === 'string' ? text : undefined;
}

export function malformed(why: string): ForgeEvent {
  return { kind: 'malformed', why };
}

/** A number that counts something: whole, and exact in JSON. */
export function numberAt(value: unknown, ...keys: readonly string[]): number | undefined {
  const number = at(value, ...keys);
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** A new comment on a pull request; undefined: it is no command, by what is said of it here. */
export function commandOf(comment: unknown, pull: number | undefined): ForgeEvent | undefined {
  const [id, body] = [numberAt(comment, 'id'), textAt(comment, 'body') ?? textAt(comment, 'note')];
  if (id === undefined || pull === undefined || body?.startsWith('/kvm-gitops ') !== true) return undefined;
  return { kind: 'comment', pull, comment: id };
}

/** A push that names its one ref under `ref`, as most forges have it. */
export function pushOf(payload: unknown): ForgeEvent {
  const ref = textAt(payload, 'ref');
  return ref === undefined ? malformed('a push without a ref') : { kind: 'push', refs: [ref] };
}

/** All refs of a list, or what is wrong with it. */
export function pushOfMany(list: unknown, refOf: (change: unknown) => string | undefined): ForgeEvent {
  if (!Array.isArray(list)) return malformed('a push without a list of changes');
  const refs = list.map(refOf);
  const named = refs.filter((ref) => ref !== undefined);
  return named.length < refs.length ? malformed('a change that names no ref') : { kind: 'push', refs: named };
}
