import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { shellQuote } from '../../src/hosts/shell-quote.ts';

/** What a real shell makes of the quoted arguments. */
function throughSh(argv: readonly string[]): readonly string[] {
  const output = execFileSync('sh', ['-c', shellQuote(['printf', String.raw`%s\0`, ...argv])]);
  return output.toString('utf8').split('\0').slice(0, -1);
}

describe('shellQuote', () => {
  it('brings each ASCII character through sh unchanged, alone and between letters', () => {
    const characters = Array.from({ length: 127 }, (_, index) => String.fromCodePoint(index + 1));
    const argv = characters.flatMap((character) => [character, `a${character}b`, `${character}${character}`]);
    expect(throughSh(argv)).toEqual(argv);
  });

  it.each([
    { argv: [''] },
    { argv: ['', 'a', ''] },
    { argv: ["it's", "''", "'\\''"] },
    { argv: ['$(id)', '`id`', '$HOME', '~', '*', '?', '[a]', '{a,b}', '!!'] },
    { argv: ['a b', ' a', 'a ', '\n', '\r\n', '\t'] },
    { argv: ['#a', 'a=b', '-n', '--', '\\', '\\n', '%s'] },
    { argv: ['grün', '日本', '🙂'] },
  ])('brings $argv through sh unchanged', ({ argv }) => {
    expect(throughSh(argv)).toEqual(argv);
  });

  it('leaves plain words as they are, for people who read logs', () => {
    expect(shellQuote(['virsh', '-c', 'qemu:///system', 'dumpxml', 'web-1'])).toBe(
      'virsh -c qemu:///system dumpxml web-1',
    );
  });

  it('refuses a NUL byte, which no argument can carry', () => {
    expect(() => shellQuote(['a\0b'])).toThrow(TypeError);
  });
});
