import { z } from 'zod';
import type { Issue } from './issue.ts';
import { keyPlaceOf, type Located, nodeAt, placeOf, printable, toValue } from './located.ts';
import { issueAt } from './parse-file.ts';
import { didYouMean, suggest } from './suggest.ts';

/** What a schema made of a part of a file. */
export interface Checked<T> {
  /** The value, if nothing is wrong with it. */
  readonly value?: T;
  /** The top-level fields with which nothing is wrong, so that checking can go on with them. */
  readonly sound: Partial<T>;
  readonly issues: readonly Issue[];
}

interface Part {
  readonly schema: z.ZodType;
  readonly node: Located;
  readonly file: string;
  /** `web-1`: whose field it is, for messages. */
  readonly owner: string | undefined;
}

/** Holds a part of a file against a schema. Messages name the field, the value and what would be right. */
export function checkSchema<T>(
  schema: z.ZodType<T>,
  node: Located,
  file: string,
  owner?: string,
): Checked<T> {
  const value = toValue(node);
  const result = schema.safeParse(value);
  if (result.success) return { value: result.data, sound: result.data, issues: [] };
  const part: Part = { schema, node, file, owner };
  const { issues } = result.error;
  const misspelt = misspeltKeys(issues, part);
  return {
    sound: soundFields(value, issues),
    issues: unique(issues.flatMap((issue) => explain(issue, part, misspelt))),
  };
}

/** A value as a message shows it. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  const text = printable(JSON.stringify(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function soundFields(value: unknown, issues: readonly z.core.$ZodIssue[]): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const broken = new Set(issues.flatMap((issue) => brokenKeys(issue)));
  return Object.fromEntries(Object.entries(value).filter(([key]) => !broken.has(key)));
}

function brokenKeys(issue: z.core.$ZodIssue): string[] {
  const [key] = issue.path;
  if (key !== undefined) return [String(key)];
  return issue.code === 'unrecognized_keys' ? issue.keys : [];
}

/** Paths of missing fields that an unknown key was surely meant to be: one mistake, one issue. */
function misspeltKeys(issues: readonly z.core.$ZodIssue[], part: Part): Set<string> {
  return new Set(
    issues.flatMap((issue) => {
      if (issue.code !== 'unrecognized_keys') return [];
      const fields = fieldsAt(part.schema, issue.path);
      return issue.keys.map((key) => [...issue.path, suggest(key, fields)].join('.'));
    }),
  );
}

function explain(issue: z.core.$ZodIssue, part: Part, misspelt: ReadonlySet<string>): Issue[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => explainUnknown(key, issue.path, part));
  if (issue.code === 'invalid_key') return [explainKey(issue, part)];
  const found = nodeAt(part.node, issue.path);
  const place = placeOf(part.node, issue.path);
  if (found !== undefined) {
    const value = toValue(found);
    // What somebody took for user data may hold a password.
    const got = issue.path.includes('userData') ? '' : `, got ${shown(value)}`;
    const message = `${field(issue.path, part)}expected ${issue.message}${got}`;
    return [issueAt(part.file, place, message, quoteHint(issue, value))];
  }
  if (misspelt.has(issue.path.join('.'))) return [];
  const name = `"${issue.path.join('.')}"${part.owner === undefined ? '' : ` of ${part.owner}`}`;
  return [issueAt(part.file, place, `${name} is missing: expected ${issue.message}`)];
}

function explainUnknown(key: string, path: readonly PropertyKey[], part: Part): Issue {
  const fields = fieldsAt(part.schema, path);
  const guess = didYouMean(key, fields);
  const inside = path.length > 0 ? ` in ${printable(path.join('.'))}` : '';
  const message = `unknown key ${shown(key)}${inside}${part.owner === undefined ? '' : ` of ${part.owner}`}${guess}`;
  const hint = guess === '' ? unknownHint(key, fields) : undefined;
  return issueAt(part.file, keyPlaceOf(part.node, [...path, key]), message, hint);
}

function unknownHint(key: string, fields: readonly string[]): string {
  if (key === '<<') return 'YAML 1.2 has no merge keys; what VMs share goes to "defaults" in cluster.yaml';
  return `known are ${fields.join(', ')}`;
}

function explainKey(issue: z.core.$ZodIssueInvalidKey, part: Part): Issue {
  const message = `${shown(issue.path.at(-1))}: expected ${issue.issues[0]?.message ?? 'another key'}`;
  return issueAt(part.file, keyPlaceOf(part.node, issue.path), message);
}

/** `vcpus of web-1: `, or nothing where the whole part is meant. */
function field(path: readonly PropertyKey[], { owner }: Part): string {
  const name = printable(path.join('.'));
  if (owner === undefined) return name === '' ? '' : `${name}: `;
  return name === '' ? `${owner}: ` : `${name} of ${owner}: `;
}

function quoteHint(issue: z.core.$ZodIssue, value: unknown): string | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  const { expected } = issue;
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
    return 'put it in quotes';
  const unquoted = expected === 'boolean' ? /^(true|false)$/ : /^-?\d+(\.\d+)?$/;
  const wantsPlain = expected === 'boolean' || expected === 'number' || expected === 'int';
  return wantsPlain && typeof value === 'string' && unquoted.test(value)
    ? 'write it without quotes'
    : undefined;
}

/** The keys that the object at `path` may have. */
function fieldsAt(schema: z.core.$ZodType, path: readonly PropertyKey[]): string[] {
  let at = bare(schema);
  for (const step of path) {
    if (at instanceof z.ZodObject) at = bare(at.shape[String(step)]);
    else if (at instanceof z.ZodArray) at = bare(at.element);
    else if (at instanceof z.ZodRecord) at = bare(at.valueType);
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : [];
}

function bare(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodNullable ? bare(schema.unwrap()) : schema;
}

/** A text can break two rules that are told in the same words. */
function unique(issues: readonly Issue[]): Issue[] {
  return [...new Map(issues.map((issue) => [JSON.stringify(issue), issue])).values()];
}
