/** The reference of functions and codes as Markdown, made from the tables themselves. */
import { z } from 'zod';
import { chaincodeErrors } from './errors.ts';
import type { ChaincodeFunction } from './functions.ts';
import { chaincodeFunctions } from './table.ts';

interface JsonSchema {
  type?: string;
  description?: string;
  const?: unknown;
  enum?: readonly unknown[];
  properties?: Record<string, JsonSchema>;
  required?: readonly string[];
  items?: JsonSchema;
  minItems?: number;
  maxItems?: number;
  minimum?: number;
  maximum?: number;
}

/** A section for each function: kind, roles, arguments. */
export function chaincodeTable(): string {
  return chaincodeFunctions.map(section).join('\n\n');
}

/** A line for each code of an INVALID result, a denial or a refused query. */
export function chaincodeCodes(): string {
  return Object.entries(chaincodeErrors)
    .map(([code, meaning]) => `- \`${code}\`: ${meaning}`)
    .join('\n');
}

function section(one: ChaincodeFunction): string {
  const { name, kind, summary, roles, schema, ledger, since, until } = one;
  const json = z.toJSONSchema(schema) as JsonSchema;
  const args = argumentLines(json, '');
  return [
    `### \`${name}\``,
    '',
    summary,
    '',
    `- kind: ${kind}`,
    ...(ledger === 'case' ? ['- on case ledgers'] : []),
    `- roles: ${roles.join(', ')}`,
    ...(since === undefined ? [] : [`- from version ${since} of the chaincode`]),
    ...(until === undefined ? [] : [`- until version ${until} of the chaincode`]),
    ...(args.length > 0 ? args : ['- no arguments']),
  ].join('\n');
}

function argumentLines(object: JsonSchema, prefix: string): string[] {
  const required = new Set(object.required);
  return Object.entries(object.properties ?? {}).flatMap(([name, one]) => {
    const path = `${prefix}${name}`;
    const line = `- \`${path}\`${required.has(name) ? '' : ' (optional)'}: ${typeText(one)}`;
    const inner = one.items?.properties ? one.items : one;
    const innerPrefix = inner === one ? `${path}.` : `${path}[].`;
    return [line, ...argumentLines(inner, innerPrefix)];
  });
}

function typeText(json: JsonSchema): string {
  if (json.description !== undefined) return json.description;
  if (json.enum) return json.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (json.type === 'integer') return `integer, ${json.minimum ?? ''} … ${json.maximum ?? ''}`;
  if (json.type === 'array') {
    const items = json.items ? typeText(json.items) : 'values';
    return `list of ${json.minItems ?? 0} … ${json.maxItems ?? ''}: ${items}`;
  }
  return json.type ?? 'value';
}
