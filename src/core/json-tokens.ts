/** A piece of something that is meant to be JSON. */
export interface JsonToken {
  /** `unclosed`: a text without a closing quote on its line; `word`: any run of other characters, right or wrong. */
  readonly kind: 'string' | 'unclosed' | 'word' | 'mark';
  readonly text: string;
  readonly offset: number;
}

const MARKS = '{}[],:';
const SPACE = ' \t\r\n';

/** Cuts a text into tokens and never fails, so that what is wrong with it can be said. */
export function* jsonTokens(text: string): Generator<JsonToken> {
  let offset = 0;
  while (offset < text.length) {
    const character = text.charAt(offset);
    if (SPACE.includes(character)) {
      offset++;
      continue;
    }
    const token = tokenAt(text, offset, character);
    yield token;
    offset += token.text.length;
  }
}

function tokenAt(text: string, offset: number, character: string): JsonToken {
  if (MARKS.includes(character)) return { kind: 'mark', text: character, offset };
  if (character === '"') return stringAt(text, offset);
  let end = offset + 1;
  while (end < text.length && !`${MARKS}${SPACE}"`.includes(text.charAt(end))) end++;
  return { kind: 'word', text: text.slice(offset, end), offset };
}

function stringAt(text: string, offset: number): JsonToken {
  for (let end = offset + 1; end < text.length && text.charAt(end) !== '\n'; end++) {
    if (text.charAt(end) === '"') return { kind: 'string', text: text.slice(offset, end + 1), offset };
    if (text.charAt(end) === '\\') end++;
  }
  const lineEnd = text.indexOf('\n', offset);
  return { kind: 'unclosed', text: text.slice(offset, lineEnd < 0 ? text.length : lineEnd), offset };
}
