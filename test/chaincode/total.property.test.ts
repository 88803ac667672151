/**
 * Every function of the table, by everybody, in states with much under way: whatever fits the
 * schema is done or refused. Anything else that is thrown would stop every validator.
 * TOTAL_RUNS (1) multiplies the runs, TOTAL_SEED repeats one.
 */
import fc, { type Arbitrary } from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { readHints } from '../../lib/chaincode/execute.ts';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { resolveKeys } from '../../lib/chaincode/resolve-keys.ts';
import { chaincodeFunctions } from '../../lib/chaincode/table.ts';
import { encodeResult } from '../../lib/wire/result.ts';
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import { fitting, type Known, knownIn } from '../support/schema-arbitrary.ts';
import { type Said, type Seeded, seeded } from './seeded.ts';
import type { CaseWorld } from './case-world.ts';
import { type Acting, DAY, id16, NETWORK, text32 } from './world.ts';

type Args = SignedRequest['args'];

const TIMES = Number(process.env['TOTAL_RUNS'] ?? 1);
const SEED = process.env['TOTAL_SEED'];
const settings = (numRuns: number) => ({
  numRuns: numRuns * TIMES,
  ...(SEED === undefined ? {} : { seed: Number(SEED) }),
});
/** The runs are many, and each is short. */
const LONG_MS = 60_000 + 600_000 * TIMES;

let story: Seeded;
let known: Known;
const actors: [string, Acting][] = [];

beforeAll(async () => {
  story = await seeded();
  actors.push(...story.actors);
  const { main: world } = story.states.at(-1)!.at;
  const names = actors.map(([, one]) => ('kid' in one ? one : one.pseudonym));
  const made = ['made up', 'another'].flatMap((one) => [id16(one), text32(one)]);
  const { time, height } = world;
  known = knownIn([
    story.said,
    story.values,
    names,
    made,
    time - 1,
    time,
    time + 1,
    time + 30 * DAY,
    height,
  ]);
});

/** Random arguments that fit, or some that were said, with a field or two made anew. */
function argsOf(fn: string): Arbitrary<Args> {
  const { schema } = chaincodeFunctions.find(({ name }) => name === fn)!;
  const any = fitting(schema, known) as Arbitrary<Args>;
  const before = story.said.filter((one) => one.fn === fn).map(({ args }) => args);
  if (before.length === 0) return any;
  const changed = fc
    .record({ args: fc.constantFrom(...before), other: any, names: fc.nat(3) })
    .chain(({ args, other, names }) => {
      const fields = fc.subarray(Object.keys(other), {
        maxLength: Math.min(names, Object.keys(other).length),
      });
      return fields.map((list) => ({
        ...args,
        ...Object.fromEntries(list.map((name) => [name, other[name]!])),
      }));
    })
    .filter((args) => schema.safeParse(args).success);
  return fc.oneof(any, changed);
}

/** COMMITTED or the code of the refusal. @throws whatever else execution throws */
async function attempt(at: CaseWorld, who: Acting, { fn, args }: Pick<Said, 'fn' | 'args'>) {
  const { kind, ledger } = chaincodeFunctions.find(({ name }) => name === fn)!;
  const { main } = at;
  const isOfCase = ledger === 'case';
  const place = isOfCase ? at : main;
  const plain = main.transaction(who, fn, args, kind);
  const transaction = isOfCase ? { ...plain, ledger: at.ledger } : plain;
  readHints(transaction);
  try {
    await resolveKeys(main, transaction, { time: main.time, network: NETWORK });
    if (kind === 'query') {
      await place.ask(who, fn, args);
      return 'COMMITTED';
    }
  } catch (error) {
    if (error instanceof ChaincodeError && kind === 'query') return error.code;
    if (!(error instanceof ChaincodeError)) throw error;
    // Nobody signs so, but execution must not depend on that.
  }
  const execution = await place.run(transaction);
  const isDone = execution.status === 'COMMITTED';
  const code = isDone ? '' : execution.code;
  const value = isDone ? execution.value : null;
  encodeResult({ id: transaction.id, status: execution.status, code, value });
  return isDone ? 'COMMITTED' : code;
}

const names = chaincodeFunctions.map(({ name }) => name);

describe('in every seeded state, by everybody', () => {
  it.each(names)('%s', { timeout: LONG_MS }, async (fn) => {
    const once = fc.asyncProperty(argsOf(fn), async (args) => {
      for (const { at } of story.states) {
        for (const [, who] of actors) {
          await attempt(at.fork(), who, { fn, args });
        }
      }
    });
    await fc.assert(once, settings(3));
  });

  const title = 'all that is said in the story, and all of it does something at some time';
  it(title, { timeout: LONG_MS }, async () => {
    const spoken = story.said;
    const effective = new Set(spoken.filter(({ isDone }) => isDone).map(({ fn }) => fn));
    for (const said of spoken) {
      for (const { at } of story.states) {
        for (const [, who] of actors) {
          if ((await attempt(at.fork(), who, said)) === 'COMMITTED') effective.add(said.fn);
        }
      }
    }
    expect(spoken.map(({ fn }) => fn).filter((fn) => !effective.has(fn))).toEqual([]);
    const written = chaincodeFunctions.filter(({ kind }) => kind === 'transaction');
    const unspoken = written.filter(({ name }) => !effective.has(name));
    expect(unspoken.map(({ name }) => name)).toEqual([]);
  });
});

it('one after the other, in any order and at any time', { timeout: LONG_MS }, async () => {
  const waits = fc.constantFrom(0, 0, 0, 1, 60_000, DAY, 3 * DAY, 31 * DAY);
  const steps = names.map((fn) =>
    fc.record({
      fn: fc.constant(fn),
      args: argsOf(fn),
      at: fc.nat(actors.length - 1),
      wait: waits,
    }),
  );
  const walk = fc.array(fc.oneof(...steps), { minLength: 4, maxLength: 16 });
  const once = fc.asyncProperty(fc.nat(story.states.length - 1), walk, async (at, said) => {
    const place = story.states[at]!.at.fork();
    for (const { fn, args, at: whoAt, wait } of said) {
      place.main.time += wait;
      await attempt(place, actors[whoAt]![1], { fn, args });
    }
  });
  await fc.assert(once, settings(40));
});
