import { type JsonToken, jsonTokens } from './json-tokens.ts';
import { printable } from './located.ts';

/** The first thing that is wrong with a text that is no JSON. */
export interface JsonMistake {
  /** Where it would have to be mended, which may be before the place where a parser gives up. */
  readonly offset: number;
  readonly message: string;
  readonly hint?: string;
}

/**
 * What may come next:
 *   value   a value               item  a value, or the end of an empty list
 *   key     a key                 field a key, or the end of an empty object
 *   colon   ":" after a key       next  "," or a closing bracket after a value
 */
type Expecting = 'value' | 'item' | 'key' | 'field' | 'colon' | 'next';

interface Reading {
  expecting: Expecting;
  previous: JsonToken | undefined;
  readonly open: JsonToken[];
}

/** Finds the first mistake in a text that `JSON.parse` refuses, and says it as a person would; undefined if it finds none. */
export function findJsonMistake(text: string): JsonMistake | undefined {
  const reading: Reading = { expecting: 'value', previous: undefined, open: [] };
  for (const token of jsonTokens(text)) {
    const mistake = mistakeIn(token, reading) ?? advance(token, reading);
    if (mistake !== undefined) return mistake;
    reading.previous = token;
  }
  const unclosed = reading.open.at(-1);
  if (unclosed !== undefined) {
    const hint = `add "${closerOf(unclosed)}" where it ends`;
    return { offset: unclosed.offset, message: `the "${unclosed.text}" here is never closed`, hint };
  }
  return undefined;
}

/** What is wrong with a token wherever it stands. */
function mistakeIn(token: JsonToken, { expecting }: Reading): JsonMistake | undefined {
  const { offset, text } = token;
  if (token.kind === 'unclosed') return { offset, message: 'the text that begins here has no closing "' };
  if (token.kind === 'string') return mistakeInString(token);
  if (token.kind === 'mark') return undefined;
  if (/^(\/\/|\/\*|#)/.test(text))
    return { offset, message: 'JSON has no comments', hint: 'remove it, or use YAML' };
  if (text.startsWith("'"))
    return { offset, message: 'JSON text stands in double quotes, not in single ones' };
  if (expecting === 'key' || expecting === 'field') {
    return { offset, message: `the key ${shown(token)} must stand in double quotes` };
  }
  if (isLiteral(text)) return undefined;
  return { offset, message: `${shown(token)} is no JSON value`, hint: literalHint(text) };
}

function mistakeInString({ offset, text }: JsonToken): JsonMistake | undefined {
  for (let index = 1; index < text.length - 1; index++) {
    const character = text.charAt(index);
    if (character < ' ') {
      const what = character === '\t' ? 'a tab' : 'a control character';
      return { offset: offset + index, message: `${what} inside a text; write it as an escape such as \\t` };
    }
    if (character !== '\\') continue;
    if (!/^\\(["\\/bfnrt]|u[0-9a-fA-F]{4})/.test(text.slice(index, index + 6))) {
      const message = `"${printable(text.slice(index, index + 2))}" is no escape that JSON knows`;
      return { offset: offset + index, message, hint: 'write a backslash as \\\\' };
    }
    index++;
  }
  return undefined;
}

function isLiteral(text: string): boolean {
  return /^(true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)$/.test(text);
}

function literalHint(text: string): string {
  if (/^(true|false|null)$/i.test(text)) return `write ${text.toLowerCase()}`;
  if (/^[+-]?[\d.]/.test(text)) return 'a number is written like 8 or 0.25';
  return 'text must stand in double quotes';
}

/** Takes the token if it may stand here; otherwise says why not. */
function advance(token: JsonToken, reading: Reading): JsonMistake | undefined {
  const { expecting } = reading;
  if (expecting === 'next') return afterValue(token, reading);
  if (expecting === 'colon') return afterKey(token, reading);
  return expecting === 'key' || expecting === 'field' ? atKey(token, reading) : atValue(token, reading);
}

function afterValue(token: JsonToken, reading: Reading): JsonMistake | undefined {
  const { previous, open } = reading;
  const holder = open.at(-1);
  if (holder === undefined) {
    return {
      offset: token.offset,
      message: `${shown(token)} follows the end of the value`,
      hint: oneValue(token),
    };
  }
  if (isCloser(token)) return close(token, reading);
  if (token.text === ',') {
    reading.expecting = holder.text === '{' ? 'key' : 'value';
    return undefined;
  }
  if (token.text === ':')
    return { offset: token.offset, message: `":" after ${shown(previous)} is out of place` };
  const end = previous === undefined ? token.offset : previous.offset + previous.text.length;
  return { offset: end, message: `missing "," after ${shown(previous)} (before ${shown(token)})` };
}

function oneValue(token: JsonToken): string {
  return isCloser(token) ? 'a bracket too many' : 'a file holds one list';
}

function afterKey(token: JsonToken, reading: Reading): JsonMistake | undefined {
  const { previous } = reading;
  if (token.text === ':') {
    reading.expecting = 'value';
    return undefined;
  }
  const end = previous === undefined ? token.offset : previous.offset + previous.text.length;
  return { offset: end, message: `missing ":" after the key ${shown(previous)}` };
}

function atKey(token: JsonToken, reading: Reading): JsonMistake | undefined {
  if (token.kind === 'string') {
    reading.expecting = 'colon';
    return undefined;
  }
  if (isCloser(token) && reading.expecting === 'field') return close(token, reading);
  return (
    commaMistake(token, reading) ?? {
      offset: token.offset,
      message: `${shown(token)} where a key in double quotes is expected`,
    }
  );
}

function atValue(token: JsonToken, reading: Reading): JsonMistake | undefined {
  if (token.text === '{' || token.text === '[') {
    reading.open.push(token);
    reading.expecting = token.text === '{' ? 'field' : 'item';
    return undefined;
  }
  if (token.kind !== 'mark') {
    reading.expecting = 'next';
    return undefined;
  }
  if (isCloser(token) && reading.expecting === 'item') return close(token, reading);
  const after = reading.previous === undefined ? '' : ` after ${shown(reading.previous)}`;
  return commaMistake(token, reading) ?? { offset: token.offset, message: `a value is missing${after}` };
}

/** A comma that nothing follows, or that nothing goes before. */
function commaMistake(token: JsonToken, { previous }: Reading): JsonMistake | undefined {
  if (token.text === ',') return { offset: token.offset, message: `the "," here has nothing before it` };
  if (previous?.text !== ',' || !isCloser(token)) return undefined;
  return {
    offset: previous.offset,
    message: `the "," before "${token.text}" is one too many`,
    hint: 'remove it',
  };
}

function close(token: JsonToken, reading: Reading): JsonMistake | undefined {
  const opener = reading.open.pop();
  if (opener !== undefined && closerOf(opener) === token.text) {
    reading.expecting = 'next';
    return undefined;
  }
  const wanted =
    opener === undefined ? '' : `: "${closerOf(opener)}" is missing, or this bracket is one too many`;
  return {
    offset: token.offset,
    message: `"${token.text}" does not close the "${opener?.text}" before it${wanted}`,
  };
}

function isCloser({ text }: JsonToken): boolean {
  return text === '}' || text === ']';
}

function closerOf(opener: JsonToken): string {
  return opener.text === '{' ? '}' : ']';
}

function shown(token: JsonToken | undefined): string {
  if (token === undefined) return 'the beginning';
  const text = token.text.length > 40 ? `${token.text.slice(0, 37)}...` : token.text;
  return token.kind === 'mark' ? `"${text}"` : printable(text);
}
