/** `carequorum private`, with a custodian that alters or withholds, and through a rotation. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, run, type Run } from './cli-world.ts';

let world: World;
let network: string;
let anna: string[];
const file = (name: string): string => join(world.folder, name);
const typed = (argv: readonly string[]): Promise<Run> => run(world, [...argv, ...anna]);

async function good(argv: readonly string[]): Promise<Run> {
  const done = await typed(argv);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  anna = ['--keystore', file('anna.keystore'), '--network', network];
  await good(['enrol', '--role', 'patient', '--name', 'Anna Muster']);
  await writeFile(file('diary.txt'), 'a secret of mine');
});
afterAll(() => world.close());

describe('carequorum private', () => {
  it('keeps, lists, replaces and gives back', async () => {
    expect((await good(['private', 'list'])).out).toContain('You keep no private data.');
    const kept = await good(['private', 'put', file('diary.txt')]);
    expect(kept.out).toContain('«diary.txt» is kept for you alone.');
    await writeFile(file('diary.txt'), 'another secret');
    await good(['private', 'put', file('diary.txt')]);
    await good(['private', 'put', file('diary.txt'), '--name', 'empty one']);
    const { json } = await good(['private', 'list', '--json']);
    expect(json['private']).toMatchObject([
      { name: 'diary.txt', size: 14, version: 2 },
      { name: 'empty one', size: 14, version: 1 },
    ]);
    await good(['private', 'get', 'diary.txt', '--out', file('again.txt')]);
    expect(await readFile(file('again.txt'), 'utf8')).toBe('another secret');
    const unknown = await typed(['private', 'get', 'nothing']);
    expect(unknown.err).toContain('Next: See `carequorum private list`');
    await writeFile(file('large'), Buffer.alloc(65_537));
    expect((await typed(['private', 'put', file('large')])).err).toContain('over 64 KiB');
  });

  it('stands in clear nowhere', () => {
    for (const secret of ['another secret', 'diary.txt', 'empty one']) {
      expect(world.wraps.dump()).not.toContain(secret);
      for (const page of world.ledger.stored) {
        expect(Buffer.from(page).includes(secret)).toBe(false);
      }
    }
  });

  it('shows what a custodian withholds or exchanges', async () => {
    const records = world.handlers['http://records.test']!;
    type Items = { items: { privateId: string; sealed: object }[] };
    const lie = (change: (items: Items['items']) => Items['items']): void => {
      world.handlers['http://records.test'] = async (request) => {
        const answer = await records(request);
        if (!request.url.pathname.endsWith('/private/fetch')) return answer;
        return { ...answer, json: { items: change((answer.json as Items).items) } };
      };
    };
    lie((items) => items.slice(1));
    expect((await good(['private', 'list'])).err).toContain('the custodian has nothing of it');
    lie((items) => items.map((one, at) => ({ ...one, sealed: items.at(-1 - at)!.sealed })));
    expect((await good(['private', 'list'])).err).toContain('has another version of it');
    world.handlers['http://records.test'] = records;
  });

  it('comes through a rotation, and leaves nothing for the old keys', async () => {
    const before = world.wraps.keys().filter((key) => key.startsWith('private#'));
    await good(['rotate', '--yes']);
    const after = world.wraps.keys().filter((key) => key.startsWith('private#'));
    expect(after).toHaveLength(2);
    expect(after.some((key) => before.includes(key))).toBe(false);
    await good(['private', 'get', 'diary.txt', '--out', file('rotated.txt')]);
    expect(await readFile(file('rotated.txt'), 'utf8')).toBe('another secret');
  });
});
