/** `carequorum genesis install network.json`: a party that lost what it held gets the document again. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { toHex } from '../../lib/crypto/bytes.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, run } from './cli-world.ts';

let world: World;
let network: string;
const taken = new Map<string, unknown>();

beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  for (const origin of Object.keys(world.handlers)) {
    world.handlers[origin] = ({ method, url, body }) => {
      if (method === 'POST' && url.pathname === '/v1/genesis') taken.set(url.hostname, body);
      return { json: {} };
    };
  }
});
afterAll(() => world.close());

it('gives document and signatures of the network file to every party, and writes nothing', async () => {
  const before = await readFile(network, 'utf8');
  const { exitCode, json } = await run(world, ['genesis', 'install', network, '--json']);
  expect(exitCode).toBe(0);
  expect(json).toMatchObject({ genesisHash: toHex(world.net.genesis.hash), networkFile: network });
  const ids = world.net.validators.map(({ id }) => id);
  const names = [...ids, 'membership', 'records'].map((id) => `${id}.test`).sort();
  expect([...taken.keys()].sort()).toEqual(names);
  for (const body of taken.values()) expect(body).toEqual(world.net.signed);
  expect(await readFile(network, 'utf8')).toBe(before);
  const argv = ['genesis', 'install', network, '--out', join(world.folder, 'other.json')];
  expect((await run(world, argv)).exitCode).toBe(0);
  const written = JSON.parse(await readFile(join(world.folder, 'other.json'), 'utf8')) as object;
  expect(written).toMatchObject({ genesis: world.net.signed });
});

it('refuses a document without signatures', async () => {
  const { exitCode, err } = await run(world, ['genesis', 'install', join(world.folder, 'no.json')]);
  expect(exitCode).not.toBe(0);
  expect(err).toContain('no.json');
});
