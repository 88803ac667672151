import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import type { SignedGenesis } from '../../lib/wire/genesis.ts';
import type { Clock } from '../../sdk/clock.ts';
import {
  collectGenesis,
  installGenesis,
  readNetworkFile,
  signGenesis,
  writeNetworkFile,
} from '../../sdk/genesis.ts';
import { fakeFetch, type FakeHandler, problem } from './fake-fetch.ts';
import { sessionSigningBytes } from '../../lib/wire/session.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { makeNetwork } from '../support/network.ts';

interface FixtureValidator {
  id: string;
  name: string;
  url: string;
  operator: SigningKey & { kid: string };
  bootstrap: unknown;
}

const network = 'local-test';
let validators: FixtureValidator[] = [];
let folder = '';
const instantClock: Clock = { now: () => 1_800_000_000_000, sleep: () => Promise.resolve() };

beforeAll(async () => {
  validators = await makeValidators();
  folder = await mkdtemp(join(tmpdir(), 'cq-genesis-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What each party of a made-up network shows of its keys before genesis. */
async function makeValidators(): Promise<FixtureValidator[]> {
  const { genesis, validators: all } = await makeNetwork(4);
  return Promise.all(
    all.map(async ({ id, kms, vote, read, operator }, index) => {
      const certificate = async (purpose: 'vote' | 'read'): Promise<string> => {
        const key = purpose === 'vote' ? vote.publicKey : read.publicKey;
        const range = { incarnation: 0, fromHeight: 0, untilHeight: 2 ** 40 };
        const body = { network, validator: id, purpose, key, ...range };
        const signature = await kms.sign(sessionSigningBytes(body));
        return toBase64url(encodeCbor({ body, signature }));
      };
      const { shareKey } = genesis.document.validators[index]!;
      return {
        id,
        name: `Hospital ${id}`,
        url: `http://${id}.test`,
        operator: Object.assign(operator, { kid: thumbprint(operator.publicKey) }),
        bootstrap: {
          validator: id,
          kmsKey: toBase64url(kms.publicKey),
          session: { certificate: await certificate('vote') },
          read: { certificate: await certificate('read') },
          shareKey,
        },
      };
    }),
  );
}

const parties = () => ({
  validators: validators.map((one) => ({
    id: one.id,
    name: one.name,
    apiUrl: `${one.url}/`,
    operatorPublicKey: one.operator.publicKey,
  })),
  membershipUrl: 'http://membership.test',
  recordsUrl: 'http://records.test',
});

/** All parties answer; the first `preparing` calls of each find it not ready. */
async function servers(preparing = 0) {
  const custodian = await generateSigningKey();
  const installed: SignedGenesis[] = [];
  const seen = new Map<string, number>();
  const handle = (bootstrap: unknown): FakeHandler => {
    return ({ method, url, body }) => {
      const count = (seen.get(url.origin) ?? 0) + 1;
      seen.set(url.origin, count);
      if (count <= preparing) {
        return { ...problem(503, 'preparing'), headers: { 'retry-after': '1' } };
      }
      if (method === 'GET') return { json: bootstrap };
      installed.push(body as SignedGenesis);
      return { json: {} };
    };
  };
  const transport = fakeFetch({
    ...Object.fromEntries(validators.map((one) => [one.url, handle(one.bootstrap)])),
    'http://membership.test': handle({ caCertificate: toBase64url(new Uint8Array(40)) }),
    'http://records.test': handle({ key: toBase64url(custodian.publicKey) }),
  });
  return { transport, installed };
}

async function collect(transport: ReturnType<typeof fakeFetch>) {
  return collectGenesis({ network, parties: parties(), transport, clock: instantClock });
}

const sign = (text: string, one: FixtureValidator) =>
  signGenesis(text, { signingKey: one.operator, ...one.operator });

describe('the genesis ceremony', () => {
  it('collects, is signed by each operator, is installed and read again', async () => {
    const { transport, installed } = await servers(2);
    const { text, document } = await collect(transport);
    expect(document.validators.map((one) => one.apiUrl)).toEqual(validators.map((one) => one.url));
    const signatures = await Promise.all(validators.map((one) => sign(text, one)));
    const file = await installGenesis({
      document: text,
      signatures,
      transport,
      clock: instantClock,
    });
    expect(installed).toHaveLength(6);
    const path = join(folder, 'network.json');
    await writeNetworkFile(path, file);
    const read = await readNetworkFile(path);
    expect(read.genesis.document).toEqual(document);
    expect(read.recordsUrl).toBe('http://records.test');
  });

  it('does not start while a signature is missing', async () => {
    const { transport, installed } = await servers();
    const { text } = await collect(transport);
    const signatures = await Promise.all(validators.slice(1).map((one) => sign(text, one)));
    await expect(
      installGenesis({ document: text, signatures, transport, clock: instantClock }),
    ).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining('hospital-a') as string,
    });
    expect(installed).toHaveLength(0);
  });

  it('lets nobody sign who is not an operator of the document', async () => {
    const { transport } = await servers();
    const { text } = await collect(transport);
    const stranger = await generateSigningKey();
    const keystore = {
      signingKey: stranger,
      publicKey: stranger.publicKey,
      kid: thumbprint(stranger.publicKey),
    };
    await expect(signGenesis(text, keystore)).rejects.toMatchObject({ code: 'wrong_keystore' });
  });

  it('notices two addresses that were swapped', async () => {
    const { transport } = await servers();
    const [a, b, ...rest] = parties().validators;
    const swapped = [{ ...a!, apiUrl: b!.apiUrl }, { ...b!, apiUrl: a!.apiUrl }, ...rest];
    await expect(
      collectGenesis({
        network,
        parties: { ...parties(), validators: swapped },
        transport,
        clock: instantClock,
      }),
    ).rejects.toMatchObject({ code: 'mismatch' });
  });

  it('gives up on a party that stays silent, and names it', async () => {
    const { transport } = await servers();
    let now = 0;
    const clock: Clock = {
      now: () => now,
      sleep: (ms) => {
        now += ms;
        return Promise.resolve();
      },
    };
    const unreachable = { ...parties(), recordsUrl: 'http://nobody.test' };
    await expect(
      collectGenesis({ network, parties: unreachable, transport, clock, patienceMs: 5_000 }),
    ).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('nobody.test') as string,
    });
  });

  it('refuses a network file whose document was changed', async () => {
    const { transport } = await servers();
    const { text } = await collect(transport);
    const signatures = await Promise.all(validators.map((one) => sign(text, one)));
    const path = join(folder, 'changed.json');
    const document = text.replace('http://records.test', 'http://mallory.test');
    await writeNetworkFile(path, { genesis: { document, signatures } });
    await expect(readNetworkFile(path)).rejects.toMatchObject({ code: 'not_proven' });
  });
});
