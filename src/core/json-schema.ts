import { z } from 'zod';
import { clusterSchema } from './cluster.ts';
import { manifestSchema } from './manifest.ts';

/** The JSON Schema of a manifest file, for editors. */
export function manifestJsonSchema(): object {
  return jsonSchema(manifestSchema);
}

/** The JSON Schema of cluster.yaml, for editors. */
export function clusterJsonSchema(): object {
  return jsonSchema(clusterSchema);
}

/** The schema files of a manifests repository, by their paths in it. */
export function schemaFiles(): { readonly path: string; readonly content: string }[] {
  return [
    { path: '.schema/cluster.schema.json', content: text(clusterJsonSchema()) },
    { path: '.schema/manifest.schema.json', content: text(manifestJsonSchema()) },
  ];
}

/** Draft 7 is what editors know best. */
function jsonSchema(schema: z.ZodType): object {
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-7' });
}

/** Lists of words stand on one line, as the formatter of this repository has them. */
function text(schema: object): string {
  const lists = /\[\s+("[\w-]+"(?:,\s+"[\w-]+")*)\s+\]/g;
  const json = JSON.stringify(schema, null, 2);
  return `${json.replace(lists, (_, words: string) => `[${words.replace(/\s+/g, ' ')}]`)}\n`;
}
