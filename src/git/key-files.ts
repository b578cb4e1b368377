import { readFileSync, statSync } from 'node:fs';
import { errorMessage, OperatorError } from '../errors.ts';

/** Whose commits count: files on the operator's machine, read anew each time. */
export interface CommitTrust {
  /** OpenSSH's allowed signers. */
  readonly allowedSigners?: string;
  /** Exported OpenPGP public keys. */
  readonly gpgKeys?: string;
  /** `every`: each commit since the one in force, and not the newest alone. */
  readonly require: 'head' | 'every';
}

const MAX_BYTES = 4 * 1024 * 1024;
const KEY = /(?:^|[ \t])((?:sk-)?(?:ssh|ecdsa)-[\w@.-]+)[ \t]+([A-Za-z0-9+/]+=*)(?:[ \t]|$)/;

/** Reads a file with keys. E_GIT_SIGNATURE where it is missing, or others than root and we can put keys of theirs into it. */
export function readKeyFile(path: string): Buffer {
  try {
    const { mode, size, uid } = statSync(path);
    if (uid !== 0 && uid !== process.getuid?.())
      throw new Error(`${path} belongs to user ${uid}, who can change it: chown root ${path}`);
    if ((mode & 0o022) !== 0) throw new Error(`${path} can be written by others: chmod go-w ${path}`);
    if (size > MAX_BYTES) throw new Error(`${path} is larger than ${MAX_BYTES} bytes`);
    return readFileSync(path);
  } catch (error) {
    throw new OperatorError('E_GIT_SIGNATURE', `the keys cannot be read: ${errorMessage(error)}`);
  }
}

/** How many keys are in a file of allowed signers. E_GIT_SIGNATURE for lines that ssh-keygen would pass over, and for none. */
export function countSigners(path: string, text: string): number {
  if (text.startsWith('\uFEFF'))
    throw new OperatorError(
      'E_GIT_SIGNATURE',
      `${path} begins with a byte order mark: save it as plain UTF-8`,
    );
  const lines = text.split('\n').map((line, index) => ({ line: stripped(line), number: index + 1 }));
  const written = lines.filter(({ line }) => line !== '' && !line.startsWith('#'));
  const wrong = written.find(({ line }) => !isSigner(line));
  if (wrong !== undefined) {
    const message = `${path}:${wrong.number}: expected PRINCIPALS [OPTIONS] KEYTYPE KEY, as in ssh-keygen(1), ALLOWED SIGNERS`;
    throw new OperatorError('E_GIT_SIGNATURE', message);
  }
  if (written.length === 0) throw new OperatorError('E_GIT_SIGNATURE', `${path} has no key in it`);
  return written.length;
}

/** What ssh-keygen takes for space, and no more of Unicode's. */
function stripped(line: string): string {
  return line.replace(/^[ \t\r]+/, '').replace(/[ \t\r]+$/, '');
}

function isSigner(line: string): boolean {
  const rest = /^(?:"[^"]+"|[^\s"]+)[ \t]+(.+)$/.exec(line)?.[1] ?? '';
  const [, type = '', key = ''] = KEY.exec(rest) ?? [];
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length < 4) return false;
  const length = bytes.readUInt32BE(0);
  return bytes.subarray(4, 4 + length).toString('latin1') === type;
}
