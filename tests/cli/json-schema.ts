import { readFileSync } from "node:fs";
import { join } from "node:path";

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean;
  readonly items?: Schema;
  readonly $defs?: Readonly<Record<string, Schema>>;
}

const written = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../docs/cli.schema.json"), "utf8"),
) as Schema;

/** What of a value is not as the written schema says of that command; empty where all is. As much of JSON Schema as that one uses. */
export function schemaFaults(command: string, value: unknown): string[] {
  const schema = written.properties?.[command];
  return schema === undefined ? [`no schema for ${command}`] : faults(schema, value, command);
}

function faults(schema: Schema, value: unknown, at: string): string[] {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.replace("#/$defs/", "");
    const referred = written.$defs?.[name];
    return referred === undefined ? [`no ${schema.$ref}`] : faults(referred, value, at);
  }
  if (schema.enum !== undefined && !schema.enum.includes(value))
    return [`${at} is ${JSON.stringify(value)}`];
  if (schema.type !== undefined && typeOf(value, schema.type) !== schema.type)
    return [`${at} is no ${schema.type}: ${JSON.stringify(value)}`];
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value)))
    return [`${at} is ${JSON.stringify(value)}`];
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined
      ? []
      : value.flatMap((item, index) => faults(items, item, `${at}[${index}]`));
  }
  return typeof value === "object" && value !== null ? ofObject(schema, value, at) : [];
}

function ofObject(schema: Schema, value: object, at: string): string[] {
  const { required = [], properties = {}, additionalProperties = true } = schema;
  return [
    ...required.filter((name) => !(name in value)).map((name) => `${at} has no ${name}`),
    ...Object.entries(value).flatMap(([name, each]) => {
      const of = properties[name];
      if (of !== undefined) return faults(of, each, `${at}.${name}`);
      return additionalProperties ? [] : [`${at} has ${name}`];
    }),
  ];
}

function typeOf(value: unknown, wanted: string): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (wanted === "integer" && Number.isInteger(value)) return "integer";
  return typeof value;
}
