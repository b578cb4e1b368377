import { chownSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countSigners, readKeyFile } from '../../src/git/key-files.ts';
import { tempDir } from './fixture.ts';
import { writeSigners } from './signing.ts';

const TYPE = 'ssh-ed25519';
const KEY = Buffer.concat([Buffer.from([0, 0, 0, TYPE.length]), Buffer.from(TYPE), Buffer.alloc(36)]);
const ADA = `ada@example.org ${TYPE} ${KEY.toString('base64')}`;
const count = (text: string) => () => countSigners('signers', text);

describe('a file of allowed signers', () => {
  it('may have comments, tabs and the line ends of Windows in it', () => {
    expect(count(`# ours\r\n \t\r\n\t${ADA.replaceAll(' ', '\t')}\r\n${ADA} Ada's\n`)()).toBe(2);
  });

  it.each([
    ['a byte order mark', `\uFEFF${ADA}\n`, 'begins with a byte order mark'],
    ['a space that ssh-keygen does not know at the begin of a line', `${ADA}\n\u00a0# ours\n`, 'signers:2: '],
    ['one at the end of a key', `${ADA}\u2003\n`, 'signers:1: expected PRINCIPALS'],
    ['one between the name and the key', `${ADA.replace(' ', '\u00a0')}\n`, 'signers:1: expected PRINCIPALS'],
  ])('is not taken with %s', (_, text, says) => {
    expect(count(text)).toThrow(says);
  });
});

// Only root gives files away.
it.runIf(process.getuid?.() === 0)('a file with keys of another user is not read', () => {
  const path = writeSigners(join(tempDir(), 'allowed'), ADA);
  expect(readKeyFile(path).toString()).toContain(ADA);
  chownSync(path, 12345, 0);
  expect(() => readKeyFile(path)).toThrow('belongs to user 12345, who can change it: chown root');
});
