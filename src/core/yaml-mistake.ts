import type { Document, ErrorCode } from 'yaml';
import { type Mistake, type Place, printable, tooDeep } from './located.ts';

const CHECK_INDENTATION = 'check the indentation: fields of one entry begin in the same column';

/** Where the parser's own words do not tell a person what to do. */
const WORDS: Partial<Record<ErrorCode, { readonly message?: string; readonly hint?: string }>> = {
  TAB_AS_INDENT: { message: 'a tab is used to indent', hint: 'YAML takes spaces only' },
  MULTIPLE_DOCS: {
    message: 'a second document begins here',
    hint: 'one file holds one document: take out the "---" or "..."',
  },
  BAD_INDENT: { hint: CHECK_INDENTATION },
  BLOCK_AS_IMPLICIT_KEY: {
    message: 'a second "key: value" inside a value',
    hint: 'put a text that contains ": " in quotes, and check the indentation of the next line',
  },
  MULTILINE_IMPLICIT_KEY: { message: 'a key has no ":" on its line', hint: 'write it as "key: value"' },
  TAG_RESOLVE_FAILED: {
    message: 'a tag ("!...") is not allowed here',
    hint: 'put a text that begins with "!" in quotes',
  },
  BAD_DIRECTIVE: { hint: 'no "%" directive is needed' },
};

/** The first syntax error of a document. Those that follow it are mostly its echo. */
export function firstYamlMistake(
  document: Document.Parsed,
  placeAt: (offset: number) => Place,
): Mistake | undefined {
  const [first] = [...document.errors, ...document.warnings].toSorted((a, b) => a.pos[0] - b.pos[0]);
  if (first === undefined) return oldVersion(document);
  const place = placeAt(first.pos[0]);
  if (first.code === 'RESOURCE_EXHAUSTION') return tooDeep(place);
  const words = unclosed(first.message) ?? WORDS[first.code];
  const hint = words?.hint ?? (/indicator|map values/.test(first.message) ? CHECK_INDENTATION : undefined);
  return {
    place,
    message: words?.message ?? plain(first.message),
    ...(hint === undefined ? {} : { hint }),
  };
}

function unclosed(message: string): { readonly message: string; readonly hint?: string } | undefined {
  if (/^Flow (map|seq)/.test(message))
    return { message: 'a "{" or "[" before this is not closed', hint: 'or a "," is missing' };
  return message.startsWith('Missing closing')
    ? { message: 'a text before this has no closing quote' }
    : undefined;
}

/** The directive `%YAML 1.1` would turn `no` and `on` into booleans. */
function oldVersion(document: Document.Parsed): Mistake | undefined {
  const { version } = document.directives.yaml;
  if (version === '1.2') return undefined;
  const message = `this file asks for YAML ${version}; it is read as YAML 1.2`;
  return { place: { line: 1, column: 1 }, message, hint: 'take out the "%YAML" line' };
}

function plain(message: string): string {
  const text = printable(message);
  return text.charAt(0).toLowerCase() + text.slice(1);
}
