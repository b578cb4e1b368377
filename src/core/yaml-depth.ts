import { CST, Lexer } from 'yaml';

/** Several times what MAX_DEPTH levels can take: a level may cost an indentation, a dash and a bracket. */
const LIMIT = 64;

/**
 * The offset at which a YAML text begins to nest absurdly, if it does. Looked for before parsing: the parser is
 * recursive, and running out of stack inside V8's regular expressions ends the process instead of throwing.
 */
export function absurdNesting(text: string): number | undefined {
  const nesting: Nesting = { indents: [], inLine: 0, flow: 0, lineStart: true };
  let offset = 0;
  let scalar = false;
  for (const token of new Lexer().lex(text)) {
    if (token === CST.DOCUMENT || token === CST.SCALAR || token === CST.FLOW_END) {
      scalar = token === CST.SCALAR;
      continue;
    }
    if (nesting.lineStart && nesting.flow === 0)
      beginLine(scalar || token.trim() !== '' ? 0 : token.length, nesting);
    if (!scalar) countIndicator(token, nesting);
    if (nesting.indents.length + nesting.inLine + nesting.flow > LIMIT) return offset;
    nesting.lineStart = token.endsWith('\n');
    scalar = false;
    offset += token.length;
  }
  return undefined;
}

interface Nesting {
  /** Of the lines around the present one, each deeper than the one before. */
  readonly indents: number[];
  /** Indicators so far on this line. */
  inLine: number;
  /** Open brackets. */
  flow: number;
  lineStart: boolean;
}

function beginLine(indent: number, nesting: Nesting): void {
  while ((nesting.indents.at(-1) ?? -1) >= indent) nesting.indents.pop();
  nesting.indents.push(indent);
  nesting.inLine = 0;
}

function countIndicator(token: string, nesting: Nesting): void {
  if (token === '[' || token === '{') nesting.flow++;
  if (token === ']' || token === '}') nesting.flow = Math.max(0, nesting.flow - 1);
  if (nesting.flow === 0 && (token === '-' || token === '?' || token === ':')) nesting.inLine++;
}
