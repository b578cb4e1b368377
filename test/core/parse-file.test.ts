import { describe, expect, it } from 'vitest';
import { formatIssue } from '../../src/core/issue.ts';
import { parseFile } from '../../src/core/parse-file.ts';

describe('parseFile', () => {
  it.each([
    ['a.json', '', 'a.json:1:1: the file is empty (write [] if nothing is meant, or remove the file)'],
    ['a.yaml', '  \n', 'a.yaml:1:1: the file is empty (write [] if nothing is meant, or remove the file)'],
    [
      'a.yaml',
      '# nothing yet\n',
      'a.yaml:1:1: the file is empty (write [] if nothing is meant, or remove the file)',
    ],
    [
      'a.json',
      '\uFEFF[]',
      'a.json:1:1: the file begins with a byte order mark (save it as UTF-8 without BOM)',
    ],
    ['a.json', '[\n"\uFFFD"]', 'a.json:2:2: the file is not UTF-8 text (save it as UTF-8)'],
    ['a.yaml', '\0[\0]\0', 'a.yaml:1:1: the file is not UTF-8 text (save it as UTF-8)'],
    ['a.yaml', '- a\n<<<<<<< HEAD\n- b\n', 'a.yaml:2:1: a merge conflict is left in the file'],
    ['a.JSON', '[1', 'a.JSON:1:1: the "[" here is never closed (add "]" where it ends)'],
  ])('of %s with %j says %s', (path, content, issue) => {
    expect(parseFile({ path, content }).issues.map(formatIssue)).toEqual([issue]);
  });

  it('takes Windows line ends', () => {
    expect(parseFile({ path: 'a.yaml', content: 'a: 1\r\nb: 2\r\n' }).issues).toEqual([]);
    expect(parseFile({ path: 'a.json', content: '[\r\n1\r\n]' }).issues).toEqual([]);
  });
});
