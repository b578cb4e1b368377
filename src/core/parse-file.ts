import type { Issue } from './issue.ts';
import { type Located, type Mistake, type Parsed, type Place, placeIn } from './located.ts';
import { parseJson } from './parse-json.ts';
import { parseYaml } from './parse-yaml.ts';
import type { SourceFile } from './source-file.ts';

/** What a file holds, if it can be read at all, and what is wrong with its form. */
export interface ParsedFile {
  readonly path: string;
  readonly root?: Located;
  readonly issues: readonly Issue[];
}

/** Reads a file as JSON or YAML, by its name. */
export function parseFile({ path, content }: SourceFile): ParsedFile {
  const unreadable = notText(content) ?? mergeConflict(content) ?? empty(content);
  const { root, mistakes } = unreadable === undefined ? parse(path, content) : { mistakes: [unreadable] };
  const issues = mistakes.map((mistake) => mistakeIssue(path, mistake));
  return { path, issues, ...(root === undefined ? {} : { root }) };
}

/** An issue at a place of a file. */
export function issueAt(file: string, place: Place, message: string, hint?: string): Issue {
  return { file, ...place, message, ...(hint === undefined ? {} : { hint }) };
}

function mistakeIssue(file: string, { place, message, hint }: Mistake): Issue {
  return issueAt(file, place, message, hint);
}

function parse(path: string, content: string): Parsed {
  if (/\.json$/i.test(path)) return parseJson(content);
  const parsed = parseYaml(content);
  const nothing = parsed.root?.kind === 'scalar' && parsed.root.value === null;
  return nothing ? { mistakes: [EMPTY] } : parsed;
}

const START: Place = { line: 1, column: 1 };
const EMPTY: Mistake = {
  place: START,
  message: 'the file is empty',
  hint: 'write [] if nothing is meant, or remove the file',
};

function empty(content: string): Mistake | undefined {
  return content.trim() === '' ? EMPTY : undefined;
}

function notText(content: string): Mistake | undefined {
  if (content.startsWith('\uFEFF')) {
    return {
      place: START,
      message: 'the file begins with a byte order mark',
      hint: 'save it as UTF-8 without BOM',
    };
  }
  const bad = content.search(/[\uFFFD\0]/);
  if (bad < 0) return undefined;
  return { place: placeIn(content, bad), message: 'the file is not UTF-8 text', hint: 'save it as UTF-8' };
}

function mergeConflict(content: string): Mistake | undefined {
  const marker = content.search(/^<{7} /m);
  if (marker < 0) return undefined;
  return { place: placeIn(content, marker), message: 'a merge conflict is left in the file' };
}
