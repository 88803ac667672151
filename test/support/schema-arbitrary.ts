/** Values that fit a zod schema, for fast-check: random ones, mixed with ones that mean something. */
import fc, { type Arbitrary } from 'fast-check';
import { z } from 'zod';

/** What random text would never hit: ids, keys and signatures that a state really has. */
export interface Known {
  readonly texts: readonly string[];
  readonly numbers: readonly number[];
}

/** Longer arrays than this are rare: they cost much and rarely say more. */
const USUAL_LENGTH = 4;
const KNOWN_TEXTS_MAX = 400;

/** What `schema` takes. Throws where it has a kind that nobody taught this. */
export function fitting(schema: z.ZodType, known: Known): Arbitrary<unknown> {
  const made = raw(schema, known);
  const isRefined = checksOf(schema).some(({ check }) => check === 'custom');
  return isRefined ? made.filter((value) => schema.safeParse(value).success) : made;
}

function raw(schema: z.ZodType, known: Known): Arbitrary<unknown> {
  const of = (inner: unknown) => fitting(inner as z.ZodType, known);
  if (schema instanceof z.ZodObject) {
    const fields = Object.entries(schema.shape);
    const required = fields.filter(([, one]) => !(one instanceof z.ZodOptional));
    return fc.record(Object.fromEntries(fields.map(([name, one]) => [name, of(one)])), {
      requiredKeys: required.map(([name]) => name),
      noNullPrototype: true,
    });
  }
  if (schema instanceof z.ZodArray) return list(of(schema.element), checksOf(schema));
  if (schema instanceof z.ZodUnion) return fc.oneof(...schema.options.map(of));
  if (schema instanceof z.ZodOptional) return of(schema.unwrap());
  if (schema instanceof z.ZodNullable) return fc.option(of(schema.unwrap()));
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.values);
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodNumber) return number(checksOf(schema), known);
  if (schema instanceof z.ZodString) return text(schema, checksOf(schema), known);
  throw new Error(`no arbitrary for a schema of ${schema.type}`);
}

/** A check of a schema, with what each kind of it says. */
interface Check {
  check: string;
  minimum?: number;
  maximum?: number;
  value?: number;
  inclusive?: boolean;
  pattern?: RegExp;
}

function checksOf(schema: z.ZodType): Check[] {
  return (schema.def.checks ?? []).map((one) => one._zod.def as Check);
}

function list(item: Arbitrary<unknown>, checks: Check[]): Arbitrary<unknown[]> {
  const minLength = Math.max(0, ...checks.map(({ minimum }) => minimum ?? 0));
  const maxLength = Math.min(...checks.map(({ maximum }) => maximum ?? 64), 64);
  const usual = Math.min(maxLength, minLength + USUAL_LENGTH);
  return fc.oneof(
    { weight: 15, arbitrary: fc.array(item, { minLength, maxLength: usual }) },
    { weight: 1, arbitrary: fc.array(item, { minLength, maxLength }) },
  );
}

function number(checks: Check[], { numbers }: Known): Arbitrary<number> {
  const bounds = (wanted: 'greater_than' | 'less_than') =>
    checks
      .filter(({ check }) => check === wanted)
      .map(({ value, inclusive }) => {
        const step = wanted === 'less_than' ? -1 : 1;
        return inclusive === true ? Number(value) : Number(value) + step;
      });
  const min = Math.max(Number.MIN_SAFE_INTEGER, ...bounds('greater_than'));
  const max = Math.min(Number.MAX_SAFE_INTEGER, ...bounds('less_than'));
  const near = numbers.filter((one) => one >= min && one <= max);
  const small = fc.integer({ min, max: Math.min(max, Math.max(min, 0) + 3) });
  const any = [small, fc.integer({ min, max }), fc.constantFrom(min, max)];
  return near.length > 0 ? fc.oneof(fc.constantFrom(...near), ...any) : fc.oneof(...any);
}

/** A text that is known somewhere, if any fits; else one that the pattern makes. */
function text(schema: z.ZodType, checks: Check[], { texts }: Known): Arbitrary<string> {
  const fits = (one: string): boolean => schema.safeParse(one).success;
  const found = texts.filter(fits).slice(-KNOWN_TEXTS_MAX);
  const long = found.some(({ length }) => length > 512);
  const pattern = checks.find((one) => one.pattern !== undefined)?.pattern;
  // What fast-check cannot make, or would take long to: known ones alone.
  const isSimple = pattern !== undefined && !/\\p\{|\(\?[=!<]/.test(pattern.source) && !long;
  const made = isSimple ? fc.stringMatching(new RegExp(pattern.source)) : fc.string();
  if (found.length === 0) return made.filter(fits);
  const known = fc.constantFrom(...found);
  const weighed = { weight: 4, arbitrary: known };
  return isSimple ? fc.oneof(weighed, { weight: 1, arbitrary: made.filter(fits) }) : known;
}

/** Every text and number anywhere in plain values: what is worth being said again. */
export function knownIn(values: readonly unknown[]): Known {
  const texts = new Set<string>();
  const numbers = new Set<number>();
  const visit = (value: unknown): void => {
    if (typeof value === 'string') texts.add(value);
    else if (typeof value === 'number') numbers.add(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(visit);
  };
  values.forEach(visit);
  return { texts: [...texts], numbers: [...numbers] };
}
