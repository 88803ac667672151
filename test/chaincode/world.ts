/** A ledger's state in memory with people on it, to execute functions against. */
import { fromBase64url, toBase64, toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { sha256, taggedHash } from '../../lib/crypto/hash.ts';
import { signJws } from '../../lib/crypto/jws.ts';
import {
  generateSigningKey,
  type SigningKey,
  thumbprint,
  verifyP256,
} from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { representativeSigningBytes } from '../../lib/chaincode/representation.ts';
import { execute, type Execution, query } from '../../lib/chaincode/execute.ts';
import type { ChaincodeContext, PlainValue } from '../../lib/chaincode/functions.ts';
import { endBlock, governedOf } from '../../lib/chaincode/governed.ts';
import { genesisWrites } from '../../lib/chaincode/genesis-state.ts';
import type { StateView } from '../../lib/ledger/state-view.ts';
import { issueCertificate, randomSerial } from '../../lib/membership/certificates.ts';
import type { CertificateClaims } from '../../lib/membership/certificates.ts';
import type { Role as CertifiedRole } from '../../lib/membership/roles.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import type { Parameters } from '../../lib/wire/parameters.ts';
import { faultyMax } from '../../lib/wire/validators.ts';
import {
  encodeRequest,
  jwsTypes,
  parseTransaction,
  type Signer,
  type SignedRequest,
  type Transaction,
} from '../../lib/wire/transaction.ts';
import { makeNetwork, type TestNetwork } from '../support/network.ts';

export const NETWORK = 'local-test';
export const START = 1_764_000_000_000;
export const DAY = 86_400_000;
export const MONTH = '2025-11';

export interface Person {
  key: SigningKey;
  kid: string;
  subject: string;
  hospital: string;
  certificate: string;
}

export interface PatientKeys {
  owner: SigningKey;
  ownerKid: string;
  oneTime: SigningKey;
  tcert: Uint8Array;
  pseudonym: string;
}

export type Acting = { kid: string } | PatientKeys;

/** 32 bytes of text that stand for a digest, a pseudonym or a key's name. */
export function text32(seed: string): string {
  return toBase64url(sha256(utf8(seed)));
}

/** 16 bytes of text that stand for an id. */
export function id16(seed: string): string {
  return toBase64url(sha256(utf8(seed)).subarray(0, 16));
}

export const TAG = text32('tag laboratory');
export const OTHER_TAG = text32('tag radiation');

let sharedNetwork: Promise<TestNetwork> | undefined;

/** State in a map, a clock, and the keys of everybody on it. */
export class World implements StateView {
  readonly network: TestNetwork;
  readonly state: Map<string, Uint8Array>;
  time = START;
  height = 1;
  /** In force at this height, and at the next. */
  parameters: Parameters;
  upcoming: Parameters;
  #counter = 0;

  constructor(network: TestNetwork, state = new Map<string, Uint8Array>()) {
    this.network = network;
    this.state = state;
    this.parameters = network.genesis.document.parameters;
    this.upcoming = this.parameters;
  }

  /** A world at genesis; the network's keys are made once for each test file. */
  static async make(): Promise<World> {
    sharedNetwork ??= makeNetwork(4);
    const world = new World(await sharedNetwork);
    world.apply(genesisWrites(world.network.genesis));
    return world;
  }

  /** The same state, to be changed apart. */
  fork(): World {
    const copy = new World(this.network, new Map(this.state));
    copy.time = this.time;
    copy.height = this.height;
    copy.parameters = this.parameters;
    copy.upcoming = this.upcoming;
    return copy;
  }

  /** As if they had governed for long. */
  setParameters(change: Partial<Parameters>): void {
    this.upcoming = this.parameters = { ...this.parameters, ...change };
    this.state.set('parameters/current', encodeCbor(this.parameters));
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.state.get(key);
  }

  get context(): ChaincodeContext {
    const { parameters } = this;
    const { hash: genesisHash } = this.network.genesis;
    const place = { network: NETWORK, ledger: 'main', height: this.height, time: this.time };
    return { ...place, parameters, genesisHash, verify: verifyP256, main: null };
  }

  apply(writes: readonly { key: string; value: Uint8Array | null }[]): void {
    for (const { key, value } of writes) {
      if (value) this.state.set(key, value);
      else this.state.delete(key);
    }
  }

  operator(index = 0): Acting & { hospital: string } {
    const { id, operator } = this.network.validators[index]!;
    return { kid: thumbprint(operator.publicKey), hospital: id };
  }

  validator(index = 0): Acting & { hospital: string } {
    const { id, kms } = this.network.validators[index]!;
    return { kid: thumbprint(kms.publicKey), hospital: id };
  }

  /** The service of a hospital: it signs with the certified read key of the validator. */
  hospital(index = 0): Acting & { hospital: string } {
    const { id, read } = this.network.validators[index]!;
    return { kid: thumbprint(read.publicKey), hospital: id };
  }

  get custodian(): Acting {
    return { kid: thumbprint(this.network.custodian.publicKey) };
  }

  get membership(): Acting {
    return { kid: thumbprint(this.network.authority.publicKey) };
  }

  /** Executes in a block of its own; what it commits is applied. */
  async submit(who: Acting, fn: string, args: SignedRequest['args']): Promise<Execution> {
    return this.run(this.transaction(who, fn, args));
  }

  async run(transaction: Transaction): Promise<Execution> {
    const execution = await execute(this, transaction, this.context);
    if (execution.status === 'COMMITTED') this.apply(execution.writes);
    this.apply(await endBlock(this, this.context));
    this.parameters = this.upcoming;
    this.upcoming = (await governedOf(this)).parameters;
    this.height += 1;
    this.time += 1;
    return execution;
  }

  async ask(who: Acting, fn: string, args: SignedRequest['args'] = {}): Promise<PlainValue> {
    const { height, ...context } = this.context;
    // A query reads the state after the last block.
    const head = { ...context, height: height - 1 };
    return query(this, this.transaction(who, fn, args, 'query'), head);
  }

  /** A transaction whose signatures nobody looks at: execution takes them as verified. */
  transaction(
    who: Acting,
    fn: string,
    args: SignedRequest['args'],
    kind: Transaction['kind'] = 'transaction',
  ): Transaction {
    this.#counter += 1;
    const nonce = toBase64url(sha256(utf8(`nonce ${this.#counter}`)).subarray(0, 16));
    const signer: Signer =
      'kid' in who
        ? { kind: 'key', kid: who.kid }
        : {
            kind: 'patient',
            ownerKid: who.ownerKid,
            tcertKid: thumbprint(who.oneTime.publicKey),
            tcert: who.tcert,
          };
    const id = [...taggedHash('test', utf8(JSON.stringify([fn, args, nonce])))]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join('');
    const header = { alg: 'ES256', typ: jwsTypes.transaction, kid: 'unused' } as const;
    const nothing = new Uint8Array();
    const outer = { header, payload: nothing, signingInput: nothing, signature: nothing };
    const request = { ...this.#request(fn, args), nonce };
    return { ...request, id, kind, signer, compact: '', outer, inner: null };
  }

  /** Signed with real keys, as it comes over the wire. */
  async signed(
    who: { key: SigningKey } | PatientKeys,
    fn: string,
    args: SignedRequest['args'],
    overrides: Partial<SignedRequest> = {},
  ): Promise<Transaction> {
    const request = { ...this.#request(fn, args), ...overrides };
    if ('key' in who) {
      const kid = thumbprint(who.key.publicKey);
      const payload = encodeRequest(request);
      return parseTransaction(await signJws({ typ: jwsTypes.transaction, kid }, payload, who.key));
    }
    const tcertKid = thumbprint(who.oneTime.publicKey);
    const inner = await signJws(
      { typ: jwsTypes.ownedTransaction, kid: who.ownerKid },
      encodeRequest({ ...request, tcert: tcertKid }),
      who.owner,
    );
    const x5c = [toBase64(who.tcert)];
    const head = { typ: jwsTypes.transaction, kid: tcertKid, x5c };
    return parseTransaction(await signJws(head, utf8(inner), who.oneTime));
  }

  #request(fn: string, args: SignedRequest['args']): SignedRequest {
    return {
      network: NETWORK,
      ledger: 'main',
      fn,
      args,
      nonce: randomId(),
      issuedAt: this.time,
      expiresAt: this.time + 600_000,
    };
  }

  /** A certificate of the authority for a fresh key. */
  async certify(
    claims: Partial<CertificateClaims>,
    options: { key?: SigningKey; authority?: TestNetwork; from?: number; until?: number } = {},
  ): Promise<{ key: SigningKey; der: Uint8Array }> {
    const { authority, genesis } = options.authority ?? this.network;
    const key = options.key ?? (await generateSigningKey());
    const text = genesis.document.membership.caCertificate;
    const ca = { certificate: Uint8Array.from(atobUrl(text)), signer: authority };
    const der = await issueCertificate({
      ca,
      publicKey: key.publicKey,
      claims: { kind: 'ecert', network: NETWORK, ...claims },
      serial: randomSerial(),
      notBefore: options.from ?? this.time - DAY,
      notAfter: options.until ?? this.time + 365 * DAY,
    });
    return { key, der };
  }

  /** The certificate of a clinician, not yet on the ledger. */
  async clinician(
    role: CertifiedRole,
    options: { hospital?: string; subject?: string; until?: number } = {},
  ): Promise<Person> {
    const hospital = options.hospital ?? this.operator().hospital;
    const subject = options.subject ?? randomId();
    const digest = sha256(utf8(subject));
    const claims = { role, subject, hospital, name: `A ${role}`, encryptionKeyDigest: digest };
    const { until } = options;
    const { key, der } = await this.certify(claims, until === undefined ? {} : { until });
    const kid = thumbprint(key.publicKey);
    return { key, kid, subject, hospital, certificate: toBase64url(der) };
  }

  /** A clinician whose certificate an operator of the same hospital cosigned. */
  async registered(role: CertifiedRole, options: { hospital?: number } = {}): Promise<Person> {
    const operator = this.operator(options.hospital);
    const person = await this.clinician(role, { hospital: operator.hospital });
    const { certificate } = person;
    const done = await this.submit(operator, 'identity.register-clinician', { certificate });
    if (done.status === 'INVALID') throw new Error(done.code);
    return person;
  }

  /** Keys and a one-time certificate of a patient, not yet on the ledger. */
  async patientKeys(name: string): Promise<PatientKeys> {
    const owner = await generateSigningKey();
    const { key: oneTime, der } = await this.certify({ kind: 'tcert', role: 'patient' });
    const ownerKid = thumbprint(owner.publicKey);
    return { owner, ownerKid, oneTime, tcert: der, pseudonym: text32(`pseudonym ${name}`) };
  }

  async patient(name: string): Promise<PatientKeys> {
    const patient = await this.patientKeys(name);
    const done = await this.submit(patient, 'patient.register', registerArgs(patient));
    if (done.status === 'INVALID') throw new Error(done.code);
    return patient;
  }
}

/** Everything that a patient can let a representative do. */
export const ALL_POWERS = ['read', 'grant', 'revoke', 'countersign', 'history'];

/** Keys of somebody whom a patient may appoint, with a certificate of the right role. */
export async function representativeKeys(
  world: World,
  patient: Pick<PatientKeys, 'pseudonym'>,
): Promise<PatientKeys> {
  const { pseudonym } = patient;
  const owner = await generateSigningKey();
  const { key: oneTime, der } = await world.certify({ kind: 'tcert', role: 'representative' });
  return { owner, ownerKid: thumbprint(owner.publicKey), oneTime, tcert: der, pseudonym };
}

export async function appointArgs(
  world: World,
  { owner }: Pick<PatientKeys, 'owner'>,
  overrides: SignedRequest['args'] = {},
): Promise<SignedRequest['args']> {
  const publicKey = toBase64url(owner.publicKey);
  const encryptionKeyDigest = text32('encryption key');
  const card = { network: NETWORK, publicKey, encryptionKeyDigest };
  return {
    ...{ permissionId: randomId(), publicKey, encryptionKeyDigest },
    signature: toBase64url(await owner.sign(representativeSigningBytes(card))),
    ...{ powers: ALL_POWERS, categories: [TAG] },
    ...{ from: world.time, until: world.time + 90 * DAY },
    ...{ purposes: ['TREAT'], shareDigest: text32('scoped seeds') },
    ...overrides,
  };
}

export function registerArgs({ pseudonym, owner }: PatientKeys): SignedRequest['args'] {
  return {
    pseudonym,
    ownerKey: toBase64url(owner.publicKey),
    uiiVersion: 1,
    categoryKeysRoot: text32('root 1'),
    categoryKeysFrom: MONTH,
  };
}

export function grantArgs(
  world: World,
  grantee: { subject: string },
  overrides: SignedRequest['args'] = {},
): SignedRequest['args'] {
  return {
    permissionId: randomId(),
    grantee: grantee.subject,
    rights: ['read', 'write'],
    categories: [TAG],
    from: world.time,
    until: world.time + 30 * DAY,
    purposes: ['TREAT'],
    shareDigest: text32('share'),
    ...overrides,
  };
}

export function recordArgs(
  { pseudonym }: { pseudonym: string },
  overrides: SignedRequest['args'] = {},
): SignedRequest['args'] {
  return {
    recordId: randomId(),
    pseudonym,
    categoryTag: TAG,
    epoch: { month: MONTH, revision: 0 },
    dataMonth: MONTH,
    ciphertextLength: 4096,
    digest: text32('digest'),
    metadataCommitment: text32('metadata'),
    wrapDigest: text32('wrap'),
    ...overrides,
  };
}

export function studyArgs(
  coordinator: { subject: string },
  overrides: SignedRequest['args'] = {},
): SignedRequest['args'] {
  return {
    studyId: 'a-study',
    title: 'A study',
    protocolDigest: text32('protocol'),
    categories: ['laboratory'],
    coordinator: coordinator.subject,
    k: 3,
    l: 2,
    quasi: ['birth-year', 'sex'],
    sensitive: [],
    until: START + 365 * DAY,
    ...overrides,
  };
}

/** A deposit for the validators of genesis; with made-up commitments, as nothing opens them here. */
export function escrowArgs(
  { network }: World,
  overrides: SignedRequest['args'] = {},
): SignedRequest['args'] {
  const { validators } = network.genesis.document;
  const holders = validators.flatMap(({ id, shareKey }) => [utf8(id), fromBase64url(shareKey)]);
  return {
    escrowId: id16('escrow'),
    threshold: validators.length - faultyMax(validators.length),
    holders: toBase64url(taggedHash('escrow-holders', ...holders)),
    shares: validators.map(({ id }) => ({
      validator: id,
      commitment: text32(`share of ${id}`),
      sealedDigest: text32(`sealed to ${id}`),
    })),
    payloadDigest: text32('payload'),
    ...overrides,
  };
}

/** The code of a refusal, or the word COMMITTED. */
export function outcome(execution: Execution): string {
  return execution.status === 'INVALID' ? execution.code : execution.status;
}

/** The value of a commit. */
export function valueOf(execution: Execution): Record<string, PlainValue> {
  if (execution.status === 'INVALID') throw new Error(`INVALID ${execution.code}`);
  return execution.value as Record<string, PlainValue>;
}

/** Topics of somebody's newest notices. */
export async function topicsOf(world: World, who: Acting): Promise<string[]> {
  const page = (await world.ask(who, 'inbox.list')) as unknown as { items: { topic: string }[] };
  return page.items.map((one) => one.topic);
}

function atobUrl(text: string): number[] {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return [...plain].map((character) => character.charCodeAt(0));
}
