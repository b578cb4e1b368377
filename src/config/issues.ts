import { z } from 'zod';
import type { Issue } from '../core/issue.ts';
import { keyPlaceOf, type Located, nodeAt, placeOf, printable } from '../core/located.ts';
import { issueAt } from '../core/parse-file.ts';
import { didYouMean } from '../core/suggest.ts';

/** Keys of old, and where what they said stands now. */
const MOVED: Readonly<Record<string, string>> = {
  'http.webhookSecret': 'webhook.secret, and webhook.forge names the forge',
};

interface Written {
  readonly schema: z.ZodType;
  readonly root: Located;
  readonly file: string;
}

/** Says what is wrong with operator.yaml, and where. Values are not repeated unless the schema does: one may be a secret. */
export function explainConfigIssues(issues: readonly z.core.$ZodIssue[], written: Written): Issue[] {
  return issues
    .flatMap((issue) => explain(issue, written))
    .toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

/** The keys that operator.yaml may have at `path`, as the schema has them. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] {
  let at: Node = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  for (const step of path)
    at = asNode(at.properties?.[String(step)] ?? at.items ?? at.additionalProperties) ?? {};
  return Object.keys(at.properties ?? {});
}

interface Node {
  readonly properties?: Readonly<Record<string, Node | boolean>> | undefined;
  readonly additionalProperties?: Node | boolean | undefined;
  readonly items?: unknown;
}

function asNode(node: unknown): Node | undefined {
  return typeof node === 'object' && node !== null ? node : undefined;
}

function explain(issue: z.core.$ZodIssue, { schema, root, file }: Written): Issue[] {
  const { path } = issue;
  const name = printable(path.join('.'));
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path);
    return issue.keys.map((key) => {
      const moved = MOVED[[...path, key].join('.')];
      if (moved !== undefined)
        return issueAt(file, keyPlaceOf(root, [...path, key]), `${name}.${printable(key)} is now ${moved}`);
      const guess = didYouMean(key, known);
      const message = `unknown key "${printable(key)}"${name === '' ? '' : ` in ${name}`}${guess}`;
      return issueAt(
        file,
        keyPlaceOf(root, [...path, key]),
        message,
        guess === '' ? unknownHint(key, known) : undefined,
      );
    });
  }
  if (issue.code === 'invalid_key') {
    return [issueAt(file, keyPlaceOf(root, path), `${name}: ${issue.issues[0]?.message ?? issue.message}`)];
  }
  const message = issue.message.replace(/^Invalid [a-z]+: |, received undefined$/g, '');
  if (nodeAt(root, path) === undefined)
    return [issueAt(file, placeOf(root, path), `${name} is missing: ${message}`)];
  return [issueAt(file, placeOf(root, path), name === '' ? message : `${name}: ${message}`)];
}

function unknownHint(key: string, known: readonly string[]): string {
  if (/pass|secret|token|credential/i.test(key)) {
    return 'a secret is never written here, only the file or the environment variable that holds it';
  }
  return `known are ${known.join(', ')}`;
}
