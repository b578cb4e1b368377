/** The paths of all properties in a JSON Schema (`vmspecs.name`), with what is said of them. */
export function schemaProperties(schema: unknown, path: readonly string[] = []): [string, unknown][] {
  if (!isObject(schema)) return [];
  return Object.entries(schema).flatMap(([key, part]) => {
    if (key !== 'properties' || !isObject(part)) return schemaProperties(part, path);
    return Object.entries(part).flatMap(([name, property]) => {
      const here: [string, unknown] = [[...path, name].join('.'), property];
      return [here, ...schemaProperties(property, [...path, name])];
    });
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
