import { LineCounter, parseDocument } from 'yaml';
import { type Parsed, type Place, tooDeep } from './located.ts';
import { absurdNesting } from './yaml-depth.ts';
import { firstYamlMistake } from './yaml-mistake.ts';
import { locateYaml } from './yaml-tree.ts';

/** Parses one YAML 1.2 document of the core schema: `no` is a text, there are no merge keys and no own tags. */
export function parseYaml(text: string): Parsed {
  const lines = new LineCounter();
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const absurd = absurdNesting(text);
  if (absurd !== undefined) {
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1);
    return { mistakes: [tooDeep(placeAt(absurd))] };
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    resolveKnownTags: false,
    // Compares each key with all others; locateYaml does it with a map.
    uniqueKeys: false,
  });
  const mistake = firstYamlMistake(document, placeAt);
  return mistake === undefined ? locateYaml(document.contents, placeAt) : { mistakes: [mistake] };
}
