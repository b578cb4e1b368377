import type { Issue } from './issue.ts';
import { type Located, type Place, printable, toValue } from './located.ts';
import { issueAt } from './parse-file.ts';
import { referenceIn } from './user-data.ts';

/** Whose user data it is, for messages. */
export interface UserDataPlace {
  readonly file: string;
  /** `cloudInit of web-1`, `defaults.cloudInit` */
  readonly owner: string;
}

interface Walk extends UserDataPlace {
  readonly path: readonly string[];
  readonly key: string;
  readonly place: Place;
}

const PASSWORD_KEY = /^(?:passwd|password|plain_text_passwd|hashed_passwd)$/i;
/** As crypt(3) writes it: `$6$SALT$...`; `!` and `*` lock an account. */
const HASHED = /^(?:\$[0-9a-z]+\$.+|[!*]+)$/;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1/;
/** What cloud-init makes up itself, in `chpasswd`. */
const RANDOM = /^R(?:ANDOM)?$/;

const HINT =
  'keep it out of git: write {secret: NAME} for a file in the folder of secrets of the operator, or {age: CIPHERTEXT}; ' +
  'a hash as `openssl passwd -6` prints it may stay';

/** Secrets that stand in user data as they are, and references that refer to nothing. A message never repeats the value. */
export function checkUserData(node: Located | undefined, where: UserDataPlace): Issue[] {
  if (node?.kind !== 'map') return [];
  const ours = ['hostname', 'fqdn'].flatMap((key) => {
    const entry = node.entries.get(key);
    if (entry === undefined) return [];
    const message = `userData.${key} in ${where.owner}: the host name is the field "hostname" of a VM`;
    return [issueAt(where.file, entry.keyPlace, message)];
  });
  return [...ours, ...check(node, { ...where, path: ['userData'], key: '', place: node.place })];
}

function check(node: Located, walk: Walk): Issue[] {
  if (node.kind === 'scalar') return typeof node.value === 'string' ? checkText(node.value, walk) : [];
  if (node.kind === 'list') {
    return node.items.flatMap((item, index) =>
      check(item, { ...walk, path: [...walk.path, String(index)], place: item.place }),
    );
  }
  const reference = referenceIn(toValue(node));
  if (typeof reference === 'string') return [issueOf({ ...walk, place: node.place }, reference)];
  if (reference !== undefined) return [];
  return [...node.entries].flatMap(([key, { value }]) =>
    check(value, { ...walk, path: [...walk.path, key], key, place: value.place }),
  );
}

function checkText(text: string, walk: Walk): Issue[] {
  if (PRIVATE_KEY.test(text)) return [issueOf(walk, 'a private key stands here', HINT)];
  const isPassword = PASSWORD_KEY.test(walk.key) && !HASHED.test(text) && !RANDOM.test(text);
  if (isPassword || hasClearLine(text, walk))
    return [issueOf(walk, 'a password stands here in the clear', HINT)];
  return [];
}

/** `chpasswd.list`: lines of `USER:PASSWORD`. */
function hasClearLine(text: string, { path }: Walk): boolean {
  if (path[1] !== 'chpasswd' || path[2] !== 'list') return false;
  return text.split('\n').some((line) => {
    const password = line.trim().replace(/^[^:]*:/, '');
    return line.includes(':') && !HASHED.test(password) && !RANDOM.test(password);
  });
}

function issueOf({ file, owner, path, place }: Walk, message: string, hint?: string): Issue {
  return issueAt(file, place, `${printable(path.join('.'))} in ${owner}: ${message}`, hint);
}
