/** Operators at the command line: proposing, reading, approving, and looking at the members. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey } from '../../lib/crypto/p256.ts';
import { Operator } from '../../sdk/operator.ts';
import { keyTexts } from '../chaincode/seats.ts';
import { makeWorld, type World } from '../sdk/world.ts';
import { networkFile, PASSPHRASE, run, type Run, type RunOptions } from './cli-world.ts';

let world: World;
let network: string;
let kms: SigningKey;
let newOperator: SigningKey;
beforeAll(async () => {
  world = await makeWorld();
  network = await networkFile(world);
  [kms, newOperator] = await Promise.all([generateSigningKey(), generateSigningKey()]);
});
afterAll(() => world.close());

function typed(hospital: string, argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const keystore = ['--keystore', `operator:hospital-${hospital}`, '--network', network];
  const env = { CAREQUORUM_PASSPHRASE: PASSPHRASE };
  return run(world, [...argv, ...keystore], { env, ...options });
}

async function good(...given: Parameters<typeof typed>): Promise<Run> {
  const done = await typed(...given);
  expect(`${done.exitCode} ${done.exitCode === 0 ? '' : done.err + done.out}`).toBe('0 ');
  return done;
}

async function bundleFile(id: string, incarnation: number): Promise<string> {
  const { kmsKey, session, read, shareKey } = await keyTexts(id, kms, incarnation);
  const sessions = { session: { certificate: session }, read: { certificate: read } };
  const path = join(world.folder, `${id}.json`);
  // As the API shows it: with the address that the signature does not need.
  const shown = { validator: id, kmsKey, ...sessions, shareKey, apiUrl: 'http://x.test' };
  await writeFile(path, JSON.stringify(shown));
  return path;
}

const propose = ['governance', 'propose'];

describe('governance', () => {
  let proposalId: string;

  it('proposes after a look, and says what comes next', async () => {
    const argv = [...propose, 'parameters', '--set', 'requestTimeoutMs=6000'];
    const no = await typed('a', argv, { answers: ['n'] });
    expect(no.exitCode).toBe(130);
    expect(no.err).toMatch(/change +parameters\n +requestTimeoutMs 6000/);
    const { out } = await good('a', argv, { answers: ['y'] });
    proposalId = /^Proposal ([0-9a-f]{64}): 1 of 3 approvals/.exec(out)?.[1] ?? '';
    expect(out).toContain(`carequorum governance approve ${proposalId}`);
  });

  it('lists and shows it to everybody', async () => {
    const { json } = await good('d', ['governance', 'list', '--json']);
    expect(json).toMatchObject({
      count: 1,
      proposals: [{ proposalId, kind: 'parameters', about: 'requestTimeoutMs=6000' }],
    });
    const { out } = await good('d', ['governance', 'show', proposalId.slice(0, 8)]);
    expect(out).toContain('approved by hospital-a (1 count; 3 decide)');
    expect(out).toContain('requestTimeoutMs 6000');
  });

  it('decides it by a quorum, once for each hospital', async () => {
    const argv = ['governance', 'approve', proposalId, '--yes'];
    await good('b', argv);
    const again = await typed('b', argv);
    expect(again.err).toContain('your hospital approved it before');
    const { json } = await good('c', [...argv, '--json']);
    expect(json).toMatchObject({ status: 'done', approvals: 3, quorum: 3 });
    expect((await good('a', ['governance', 'list', '--open'])).out).toContain('no such proposal');
  });

  it('shows members, and parameters that come', async () => {
    const { json, out } = await good('a', ['validators', '--json']);
    expect(json).toMatchObject({
      ...{ n: 4, faulty: 1, quorum: 3 },
      parameters: { requestTimeoutMs: 4_000 },
      upcoming: { requestTimeoutMs: 6_000 },
    });
    expect(out).toContain('hospital-d');
    const text = (await good('a', ['validators'])).out;
    expect(text).toContain('4 validators, 3 decide, 1 may be faulty');
    expect(text).toMatch(/requestTimeoutMs +4000 +6000/);
    const late = await typed('d', ['governance', 'approve', proposalId, '--yes']);
    expect(late.err).toContain('Next: See what became of it');
    expect((await good('a', ['validators'])).out).toMatch(/requestTimeoutMs +6000\n/);
  });

  it('lets a hospital join, whose operator then works', async () => {
    const bundle = await bundleFile('hospital-e', 0);
    const who = ['--name', 'Hospital E', '--url', 'http://hospital-e.test'];
    const key = ['--operator', toBase64url(newOperator.publicKey)];
    const argv = [...propose, 'add', '--bundle', bundle, ...who, ...key, '--yes', '--json'];
    const { json } = await good('a', argv);
    const approve = ['governance', 'approve', String(json['proposalId']), '--yes'];
    await good('b', approve);
    await good('d', approve);
    expect((await good('a', ['validators'])).out).toMatch(/hospital-e +Hospital E +member/);
    const keystore = { ...world.operator(0).keystore, publicKey: newOperator.publicKey };
    const joined = { ...keystore, signingKey: newOperator } as typeof keystore;
    const operator = await Operator.open(world.session(), joined);
    expect(operator.hospital).toBe('hospital-e');
    expect((await operator.probe('here')).status).toBe('COMMITTED');
  });

  it('replaces a lost key by the bundle that its validator shows', async () => {
    kms = await generateSigningKey();
    const bundle = await bundleFile('hospital-d', 1);
    const argv = [...propose, 'replace-key', '--bundle', bundle, '--yes', '--json'];
    const { json } = await good('a', argv);
    const shown = await good('b', ['governance', 'show', String(json['proposalId'])]);
    expect(shown.out).toMatch(/hospital +hospital-d\n +key +thumbprint /);
    const stale = await bundleFile('hospital-d', 0);
    const refused = await typed('a', [...propose, 'replace-key', '--bundle', stale, '--yes']);
    expect(refused.err).toContain('Next: Save the bundle of that validator anew');
  });

  it('withdraws from version 2 on', async () => {
    const { json } = await good('a', [
      ...propose,
      'parameters',
      '--set',
      'blockIntervalMs=900',
      '--yes',
      '--json',
    ]);
    const id = String(json['proposalId']);
    const early = await typed('a', ['governance', 'withdraw', id, '--yes']);
    expect(early.err).toContain('there is no such function');
  });
});

describe('governance refuses, before anything is sent,', () => {
  it.each([
    [['parameters'], 'parameters needs --set'],
    [['parameters', '--set', 'x'], 'is not NAME=VALUE'],
    [['parameters', '--set', 'requestTimeoutMs=1'], 'requestTimeoutMs'],
    [['parameters', '--set', 'unheardOf=1'], 'unheardOf'],
    [['chaincode', '--to', '0'], 'whole number above 0'],
    [['remove'], 'remove needs --hospital'],
    [['remove', '--hospital', 'hospital-d', '--set', 'a=1'], 'no other of these options'],
    [['nothing'], 'Allowed choices are parameters'],
    [['reinstate', '--bundle', '/nowhere'], 'there is no such file'],
  ])('%j', async (argv, message) => {
    const { exitCode, err } = await typed('a', [...propose, ...argv, '--yes']);
    expect(exitCode).not.toBe(0);
    expect(err).toContain(message);
    expect(err).toContain('\nNext: ');
  });
});
