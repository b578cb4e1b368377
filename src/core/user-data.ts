/** A mapping of cloud-config modules. Secrets in it are references. */
export type UserData = Readonly<Record<string, unknown>>;

/** Stands in user data where a secret text belongs: `{secret: NAME}` or `{age: CIPHERTEXT}`. */
export type Reference =
  | { readonly kind: 'secret'; readonly name: string }
  | { readonly kind: 'age'; readonly ciphertext: string };

const SECRET_NAME = /^(?!.{256})[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;
const AGE_FILE = /^-----BEGIN AGE ENCRYPTED FILE-----\s[A-Za-z0-9+/=\s]+-----END AGE ENCRYPTED FILE-----\s*$/;

/** The reference that a value is; a text says what is wrong with one; undefined: it is an ordinary value. */
export function referenceIn(value: unknown): Reference | string | undefined {
  if (!isMap(value)) return undefined;
  const [entry, ...others] = Object.entries(value);
  if (entry === undefined || others.length > 0) return undefined;
  const [key, target] = entry;
  if (key === 'secret') {
    if (typeof target === 'string' && SECRET_NAME.test(target)) return { kind: 'secret', name: target };
    return "expected the name of a file in the operator's folder of secrets, such as web/password, without . or .. in it";
  }
  if (key !== 'age') return undefined;
  if (typeof target === 'string' && AGE_FILE.test(target)) return { kind: 'age', ciphertext: target };
  return 'expected what `age --armor` prints: -----BEGIN AGE ENCRYPTED FILE----- and so on';
}

/** Lays `over` on `under`: mappings are merged and its keys win; a list, a text or a reference replaces the other whole. */
export function mergeUserData(under: UserData, over: UserData): UserData {
  const merged = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = Object.hasOwn(merged, key) ? merged[key] : undefined;
    merged[key] = isPlainMap(below) && isPlainMap(value) ? mergeUserData(below, value) : value;
  }
  return merged;
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isPlainMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return isMap(value) && referenceIn(value) === undefined;
}
