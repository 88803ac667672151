/** The network that is simulated: keys, genesis document and first state, all from fixed names. */
import { readFileSync } from 'node:fs';
import { genesisWrites } from '../../lib/chaincode/genesis-state.ts';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import {
  type SigningKey,
  thumbprint,
  verifyP256,
  type VerifySignature,
} from '../../lib/crypto/p256.ts';
import { genesisHeader } from '../../lib/ledger/genesis-header.ts';
import { updateTree } from '../../lib/ledger/state-tree.ts';
import {
  type Genesis,
  genesisJwsType,
  genesisSigningText,
  parseGenesis,
  type SignedGenesis,
} from '../../lib/wire/genesis.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { defaultParameters } from '../../lib/wire/parameters.ts';
import { sessionSigningBytes } from '../../lib/wire/session.ts';
import { makeNetwork, type TestValidator } from '../support/network.ts';
import { simulatedKey, verifySimulated } from './scheme.ts';

export interface SimNetwork {
  name: string;
  genesis: Genesis;
  signed: SignedGenesis;
  validators: TestValidator[];
  verify: VerifySignature;
  /** Height 0: header, its hash, and the pages of its state. */
  start: {
    header: BlockHeader;
    hash: Uint8Array;
    pages: readonly { id: string; bytes: Uint8Array }[];
  };
}

/** Virtual time at which every run starts, milliseconds. */
export const startTime = 1_700_000_100_000;

const name = 'local-sim';
const createdAt = 1_700_000_000_000;
const cache = new Map<string, Promise<SimNetwork>>();

/** A network of `n` validators; made once a process. Simulated keys give the same bytes always. */
export function simNetwork(n: number, keys: 'simulated' | 'real'): Promise<SimNetwork> {
  const key = `${n} ${keys}`;
  const made = cache.get(key) ?? (keys === 'real' ? realNetwork(n) : simulatedNetwork(n));
  cache.set(key, made);
  return made;
}

async function realNetwork(n: number): Promise<SimNetwork> {
  const { genesis, signed, validators } = await makeNetwork(n);
  const verify = verifyP256;
  const network = genesis.document.network;
  return { name: network, genesis, signed, validators, verify, start: await startOf(genesis) };
}

async function simulatedNetwork(n: number): Promise<SimNetwork> {
  const validators = Array.from({ length: n }, (_, index) => validatorAt(index));
  const authority = readFileSync(new URL('fixtures/authority.txt', import.meta.url), 'utf8').trim();
  const document = {
    format: 'carequorum-genesis-1',
    network: name,
    createdAt,
    validators: await Promise.all(validators.map(entryOf)),
    membership: { caCertificate: authority, apiUrl: 'http://membership.test' },
    custodian: {
      key: toBase64url(simulatedKey('custodian').publicKey),
      apiUrl: 'http://records.test',
    },
    parameters: defaultParameters,
  };
  const text = JSON.stringify(document);
  const genesis = parseGenesis(text);
  const payload = utf8(genesisSigningText(genesis));
  const signatures = await Promise.all(
    validators.map(({ operator }) =>
      signJws({ typ: genesisJwsType, kid: thumbprint(operator.publicKey) }, payload, operator),
    ),
  );
  const signed = { document: text, signatures };
  const start = await startOf(genesis);
  return { name, genesis, signed, validators, verify: verifySimulated, start };
}

async function startOf(genesis: Genesis): Promise<SimNetwork['start']> {
  const reader = { pages: async () => [] };
  const { root, pages } = await updateTree(null, 0, genesisWrites(genesis), reader);
  const header = genesisHeader(genesis, root);
  return { header, hash: headerHash(header), pages };
}

function validatorAt(index: number): TestValidator {
  const letter = index < 26 ? String.fromCharCode(97 + index) : String(index);
  const id = `hospital-${letter}`;
  const key = (purpose: string): SigningKey => simulatedKey(`${id} ${purpose} 0`);
  return { id, operator: key('operator'), kms: key('kms'), vote: key('vote'), read: key('read') };
}

async function entryOf(one: TestValidator): Promise<object> {
  return {
    id: one.id,
    name: `Hospital ${one.id}`,
    kmsKey: toBase64url(one.kms.publicKey),
    operatorKey: toBase64url(one.operator.publicKey),
    session: await sessionOf(one, 'vote'),
    read: await sessionOf(one, 'read'),
    shareKey: toBase64url(bytesFor(`${one.id} share`, 1216)),
    apiUrl: `http://${one.id}.test`,
  };
}

async function sessionOf(one: TestValidator, purpose: 'vote' | 'read'): Promise<object> {
  const range = { incarnation: 0, fromHeight: 0, untilHeight: 2 ** 40 };
  const key = one[purpose].publicKey;
  const body = { network: name, validator: one.id, purpose, key, ...range };
  const signature = await one.kms.sign(sessionSigningBytes(body));
  return { key: toBase64url(key), ...range, signature: toBase64url(signature) };
}

function bytesFor(label: string, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let at = 0; at < length; at += 32) {
    out.set(taggedHash('simulated-bytes', utf8(`${label} ${at}`)).subarray(0, length - at), at);
  }
  return out;
}
