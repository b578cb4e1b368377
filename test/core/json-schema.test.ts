import { describe, expect, it } from 'vitest';
import { clusterJsonSchema, manifestJsonSchema } from '../../src/core/json-schema.ts';
import { schemaProperties } from './schema-properties.ts';

describe.each([
  ['manifestJsonSchema', manifestJsonSchema()],
  ['clusterJsonSchema', clusterJsonSchema()],
])('%s', (_, schema) => {
  it.each(schemaProperties(schema))('describes %s', (__, property) => {
    expect(property).toMatchObject({ description: expect.stringMatching(/\.$/) });
  });

  it('has a title, refuses unknown keys and is draft 7', () => {
    const text = JSON.stringify(schema);
    expect(schema).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      title: expect.any(String),
    });
    expect(text.match(/"additionalProperties":false/g)?.length).toBe(text.match(/"properties":/g)?.length);
  });
});
