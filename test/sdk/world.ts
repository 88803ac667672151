/** A whole network in one process: fake ledger, real membership and custodian over memory. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBase64url, toBase64 } from '../../lib/crypto/bytes.ts';
import { type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { httpHandler, type Operations } from '../../functions/aws/http.ts';
import type { ItemStore } from '../../functions/aws/item-store.ts';
import type { DocumentedRoute } from '../../functions/aws/openapi.ts';
import { ServiceGenesis } from '../../functions/aws/service-genesis.ts';
import { checkOwnAuthority } from '../../functions/membership/authority.ts';
import { authorityQuery } from '../../functions/membership/authority-query.ts';
import { AuthorityWatch } from '../../functions/membership/authority-watch.ts';
import type { MembershipContext } from '../../functions/membership/context.ts';
import { membershipLedger } from '../../functions/membership/ledger.ts';
import type { RegistryVerdict } from '../../functions/membership/registry/registry.ts';
import { permitOf } from '../../functions/membership/unmask.ts';
import { routes as membershipRoutes } from '../../functions/membership/routes.ts';
import { membershipOperations } from '../../functions/membership/service.ts';
import { createVault, type SecretWrap } from '../../functions/membership/vault.ts';
import type { ObjectStore } from '../../functions/records/object-store.ts';
import { routes as recordsRoutes } from '../../functions/records/routes.ts';
import { recordsOperations } from '../../functions/records/service.ts';
import {
  type EscrowContext,
  escrowOperations,
} from '../../functions/validator/escrow/operations.ts';
import { copyRoutes } from '../../functions/validator/copies/routes.ts';
import { escrowRoutes } from '../../functions/validator/escrow/routes.ts';
import { validatorClient } from '../../functions/records/validator-client.ts';
import type { Clock } from '../../sdk/clock.ts';
import { Clinician } from '../../sdk/clinician.ts';
import type { Transport } from '../../sdk/http.ts';
import { createKeystore, type Keystore } from '../../sdk/keystore.ts';
import type { KeystoreKind } from '../../sdk/keystore-format.ts';
import { type Network, networkOf } from '../../sdk/network-file.ts';
import { Operator } from '../../sdk/operator.ts';
import { Patient, preparePatient } from '../../sdk/patient.ts';
import { nodeFiles } from '../../sdk/platform/node.ts';
import { openSession, type Session } from '../../sdk/session.ts';
import { callApi } from '../functions/call.ts';
import { type MemoryItemStore, memoryItemStore } from '../membership/memory-item-store.ts';
import type { Parameters } from '../../lib/wire/parameters.ts';
import { makeNetwork, type ShareHolder, type TestNetwork } from '../support/network.ts';
import { hospitalOf, type HospitalWorld } from './hospital-world.ts';
import { fakeFetch, type FakeHandler } from './fake-fetch.ts';
import { FakeLedger, validatorHandler } from './fake-ledger.ts';

export interface World {
  net: TestNetwork;
  network: Network;
  ledger: FakeLedger;
  transport: Transport;
  /** Handlers by origin: replace one to make that party fail or lie. */
  handlers: Record<string, FakeHandler>;
  objects: Map<string, Uint8Array>;
  /** What each validator keeps in escrow. */
  escrows: Map<string, MemoryItemStore>;
  /** Serves the API of one that joins, with an escrow of its own. */
  openHospital(one: ShareHolder): void;
  /** All that the custodian's table holds. */
  wraps: MemoryItemStore;
  /** What each hospital holds of copies, and its replicator. */
  hospitals: Map<string, HospitalWorld>;
  folder: string;
  /** What ends every party at once, at a write of the test's choice. */
  power: Power;
  /** Added to the real time by everybody. */
  skewMs: { value: number };
  /** What the registry of clinicians answers. */
  registry: { verdict: RegistryVerdict };
  /** The membership service from within: what it stores, and its schedule. */
  membership: MembershipContext;
  /** KMS keys of the membership service, oldest first: push a successor. */
  authorityKeys: SigningKey[];
  session(preferred?: string): Session;
  keystore(kind: KeystoreKind, name: string): Promise<Keystore>;
  operator(index: number): Operator;
  /** A doctor, enrolled and approved. */
  doctor(name: string, hospital: number, npi: string): Promise<Clinician>;
  /** A patient, enrolled and registered. */
  patient(name: string, categories: readonly string[]): Promise<Patient>;
  close(): Promise<void>;
}

interface Parties {
  membership: MembershipContext | null;
  authorityKeys: SigningKey[];
}

/** Everything stops at the write that `failAt` counts to, before it or after it; `restore` goes on. */
export class Power {
  writes = 0;
  #failAt = Infinity;
  #isOut = false;

  /** Fails at the `count`-th moment from now on: two for each write. */
  failAfter(count: number): void {
    this.#failAt = this.writes + count;
  }

  restore(): void {
    this.#isOut = false;
    this.#failAt = Infinity;
  }

  require(): void {
    if (this.#isOut) throw new PowerCut();
  }

  /** One write, with a moment before it and one after it. */
  async write<T>(work: () => Promise<T>): Promise<T> {
    this.#moment();
    const done = await work();
    this.#moment();
    return done;
  }

  #moment(): void {
    this.writes += 1;
    if (this.writes >= this.#failAt) this.#isOut = true;
    this.require();
  }
}

export class PowerCut extends Error {}

/** Where the membership service keeps what it has, and what wraps its secrets. */
export interface Enrolments {
  store: ItemStore;
  wrap: SecretWrap;
}

export async function makeWorld(
  parameters: Partial<Parameters> = {},
  enrolments: Enrolments = enrolmentsInMemory(),
): Promise<World> {
  const net = await makeNetwork(4, parameters, Date.now() - 60_000);
  const power = new Power();
  const skewMs = { value: 0 };
  const now = (): number => Date.now() + skewMs.value;
  const clock: Clock = {
    now,
    async sleep(ms) {
      power.require();
      await new Promise((resolve) => setTimeout(resolve, Math.min(ms, 20)));
      power.require();
    },
  };
  const ledger = await FakeLedger.start(net, now);
  const objects = new Map<string, Uint8Array>();
  const handlers: Record<string, FakeHandler> = {};
  const registry: World['registry'] = { verdict: 'verified' };
  const parties: Parties = { membership: null, authorityKeys: [net.authority] };
  const buckets = new Map([['http://objects.test', objects]]);
  const transport = poweredTransport(power, bytesTransport(buckets, handlers, fakeFetch(handlers)));
  const hospitals = new Map<string, HospitalWorld>();
  const escrows = new Map<string, MemoryItemStore>();
  const openHospital = (one: ShareHolder): void => {
    const store = memoryItemStore();
    escrows.set(one.id, store);
    const escrow = serve(escrowRoutes, escrowOperations(escrowOf(net, one, store, now)));
    const main = validatorHandler(ledger, one.id);
    const { hospital, operations } = hospitalOf({ net, one, feed: ledger.feed, transport, now });
    const copies = serve(copyRoutes, operations);
    hospitals.set(one.id, hospital);
    buckets.set(hospital.origin, hospital.objects);
    handlers[`http://${one.id}.test`] = (request) => {
      if (request.url.pathname.startsWith('/v1/escrow/')) return escrow(request);
      return request.url.pathname.startsWith('/v1/copies/') ? copies(request) : main(request);
    };
  };
  net.validators.forEach(openHospital);
  const outside = { transport, registry, enrolments };
  handlers['http://membership.test'] = await membership(net, now, outside, parties);
  const wraps = memoryItemStore();
  handlers['http://records.test'] = await records(net, now, { objects, wraps, transport, power });
  const network = await networkOf({ genesis: net.signed });
  const folder = await mkdtemp(join(tmpdir(), 'cq-world-'));
  const world: World = {
    net,
    network,
    ledger,
    transport,
    handlers,
    objects,
    escrows,
    openHospital,
    wraps,
    hospitals,
    folder,
    power,
    skewMs,
    registry,
    authorityKeys: parties.authorityKeys,
    membership: parties.membership as unknown as MembershipContext,
    session: (preferred) => openSession(network, { transport, clock, preferred }),
    keystore: (kind, name) =>
      createKeystore({
        path: join(folder, `${name.replaceAll(' ', '-')}.keystore`),
        passphrase: 'a passphrase of a test',
        kind,
        label: name,
        workFactor: 8,
      }),
    operator: (index) => operatorOf(world, index),
    doctor: (name, hospital, npi) => makeDoctor(world, { name, hospital, npi }),
    patient: (name, categories) => makePatient(world, name, categories),
    close: () => rm(folder, { recursive: true, force: true }),
  };
  return world;
}

function escrowOf(
  net: TestNetwork,
  one: ShareHolder,
  store: MemoryItemStore,
  now: () => number,
): EscrowContext {
  return {
    network: net.genesis.document.network,
    validator: one.id,
    store,
    genesis: { require: async () => net.genesis },
    addresses: () => [`http://${one.id}.test`],
    shareSeed: async () => one.share.seed,
    now,
  };
}

function operatorOf(world: World, index: number): Operator {
  const one = world.net.validators[index];
  if (!one) throw new RangeError('no such validator');
  const keystore = {
    path: `operator-${one.id}`,
    kind: 'operator',
    publicKey: one.operator.publicKey,
    signingKey: one.operator,
    kid: thumbprint(one.operator.publicKey),
  } as Keystore;
  return new Operator(world.session(), keystore);
}

async function makeDoctor(
  world: World,
  { name, hospital, npi }: { name: string; hospital: number; npi: string },
): Promise<Clinician> {
  const keystore = await world.keystore('clinician', name);
  const doctor = new Clinician(world.session(), keystore, nodeFiles);
  const id = world.net.validators[hospital]?.id ?? '';
  const enrolment = await doctor.enrol('doctor', {
    name,
    npi,
    state: 'NY',
    licence: '900001',
    hospital: id,
  });
  await world.operator(hospital).approve(fromBase64url(enrolment?.certificate ?? ''));
  return doctor;
}

async function makePatient(
  world: World,
  name: string,
  categories: readonly string[],
): Promise<Patient> {
  const keystore = await world.keystore('patient', name);
  await preparePatient(keystore, { name, birthDate: '1961-04-23' });
  const patient = await Patient.open(world.session(), keystore);
  await patient.enrol({ name, birthDate: '1961-04-23' });
  await patient.register(categories);
  return patient;
}

/** Nothing outlives the test, and the secrets are hardly hidden. */
function enrolmentsInMemory(): Enrolments {
  return {
    store: memoryItemStore(),
    wrap: {
      wrap: async (_purpose, secret) => secret.map((byte) => byte ^ 90),
      unwrap: async (_purpose, wrapped) => wrapped.map((byte) => byte ^ 90),
    },
  };
}

async function membership(
  net: TestNetwork,
  now: () => number,
  outside: { transport: Transport; registry: World['registry']; enrolments: Enrolments },
  parties: Parties,
): Promise<FakeHandler> {
  const { transport, registry } = outside;
  const { store, wrap } = outside.enrolments;
  const network = net.genesis.document.network;
  const operatorKeys = keysOf(net);
  const base = { network, store, authorityKeys: async () => parties.authorityKeys, now };
  const genesis = new ServiceGenesis({
    store,
    network,
    operatorKeys,
    checkOwnKeys: (document) => checkOwnAuthority(base, document),
  });
  const certificate = fromBase64url(net.genesis.document.membership.caCertificate);
  await store.insert({ pk: 'service', sk: 'authority' }, { certificate });
  await genesis.install(net.signed);
  const withGenesis = { ...base, apiUrl: 'http://membership.test', genesis };
  const permit = permitOf(withGenesis);
  const authority = new AuthorityWatch({
    ...{ store, genesis, now, keys: base.authorityKeys },
    ask: authorityQuery(permit, transport),
  });
  parties.membership = {
    ...withGenesis,
    authority,
    operatorKeys,
    ledger: membershipLedger({
      network,
      authorityKey: async () => (await authority.current()).signer,
      validators: validatorClient({ fetchUrl: transport, now }),
      permit,
    }),
    vault: createVault(store, wrap),
    registry: { verify: async () => registry.verdict },
    npdb: { service: null, issuer: null },
  };
  return serve(membershipRoutes, membershipOperations(parties.membership));
}

async function records(
  net: TestNetwork,
  now: () => number,
  stores: {
    objects: Map<string, Uint8Array>;
    wraps: MemoryItemStore;
    transport: Transport;
    power: Power;
  },
): Promise<FakeHandler> {
  const { objects, transport, power } = stores;
  const store = powered(power, stores.wraps, ['insert', 'replace', 'stage', 'remove', 'transact']);
  const network = net.genesis.document.network;
  const genesis = new ServiceGenesis({
    store,
    network,
    operatorKeys: keysOf(net),
    checkOwnKeys: async () => undefined,
  });
  await genesis.install(net.signed);
  const operations = recordsOperations({
    network,
    apiUrl: 'http://records.test',
    store,
    objects: powered(power, memoryObjects(objects), [
      'begin',
      'complete',
      'abort',
      'putPart',
      'remove',
    ]),
    genesis,
    validators: validatorClient({
      fetchUrl: transport,
      now: () => {
        power.require();
        return now();
      },
    }),
    signingKey: async () => net.custodian,
    now,
  });
  return serve(recordsRoutes, operations);
}

function keysOf(net: TestNetwork): Record<string, string> {
  return Object.fromEntries(
    net.validators.map((one) => [one.id, thumbprint(one.operator.publicKey)]),
  );
}

/** A service at its routes; what fails without a code is printed. */
export function serve(routes: readonly DocumentedRoute[], operations: Operations): FakeHandler {
  const handler = httpHandler({
    routes,
    operations,
    log: ({ error }) => {
      if (error !== undefined && !(error instanceof PowerCut)) console.error(error);
    },
  });
  return async ({ method, url, body, headers }) => {
    const {
      status,
      body: json,
      headers: answered,
    } = await callApi(handler, {
      method,
      path: `${url.pathname}${url.search}`,
      headers: Object.fromEntries(headers),
      text: body === undefined ? undefined : JSON.stringify(body),
    });
    return { status, json, headers: answered };
  };
}

/** The same, with a moment of the power before and after each of these methods. */
function powered<T extends object>(power: Power, target: T, writes: readonly (keyof T)[]): T {
  return new Proxy(target, {
    get(of, name) {
      const method: unknown = Reflect.get(of, name);
      if (!writes.includes(name as keyof T) || typeof method !== 'function') return method;
      return (...args: unknown[]) =>
        power.write(() => Reflect.apply(method, of, args) as Promise<unknown>);
    },
  });
}

/** Nobody is reached while the power is out; what goes to validators is a write. */
function poweredTransport(power: Power, transport: Transport): Transport {
  return async (url, init) => {
    power.require();
    const isPart = init.method === 'PUT';
    const isWrite = url.includes('/v1/transactions') && init.method === 'POST';
    if (!isWrite && !isPart) return transport(url, init);
    return power.write(() => transport(url, init));
  };
}

/** Objects at http://objects.test/KEY, parts at /KEY/UPLOAD/NUMBER; checksums are enforced. */
function bytesTransport(
  buckets: ReadonlyMap<string, Map<string, Uint8Array>>,
  handlers: Record<string, FakeHandler>,
  json: Transport,
): Transport {
  return async (text, init) => {
    const url = new URL(text);
    const objects = buckets.get(url.origin);
    // A handler at the address of a store stands for a store that fails.
    if (!objects || handlers[url.origin]) return json(text, init);
    if (init.method === 'PUT') {
      const bytes = new Uint8Array(init.body as Uint8Array<ArrayBuffer>);
      const digest = createHash('sha256').update(bytes).digest('base64');
      const wanted = new Headers(init.headers).get('x-amz-checksum-sha256');
      if (digest !== wanted) return new Response('BadDigest', { status: 400 });
      objects.set(url.pathname, bytes);
      return new Response(null, { headers: { etag: `"${digest.slice(0, 16)}"` } });
    }
    const bytes = objects.get(url.pathname);
    if (!bytes) return new Response(null, { status: 404 });
    return new Response(bytes as Uint8Array<ArrayBuffer>);
  };
}

export function memoryObjects(
  objects: Map<string, Uint8Array>,
  origin = 'http://objects.test',
): ObjectStore {
  const partsOf = (key: string, upload: string) =>
    [...objects]
      .filter(([path]) => path.startsWith(`/${key}/${upload}/`))
      .map(([path, bytes]) => ({ number: Number(path.split('/')[3]), bytes }))
      .sort((a, b) => a.number - b.number);
  const open = new Set<string>();
  const forgetParts = (key: string, upload: string): void => {
    for (const path of [...objects.keys()]) {
      if (path.startsWith(`/${key}/${upload}/`)) objects.delete(path);
    }
  };
  return {
    async begin(key) {
      const id = String(open.size + objects.size);
      open.add(`${key}/${id}`);
      return id;
    },
    async presignPart(key, { id, number, checksum }) {
      const headers = { 'x-amz-checksum-sha256': toBase64(checksum) };
      return { url: `${origin}/${key}/${id}/${number}`, headers };
    },
    async parts(key, uploadId) {
      if (!open.has(`${key}/${uploadId}`)) return null;
      return partsOf(key, uploadId).map(({ number, bytes }) => {
        const etag = createHash('sha256').update(bytes).digest('base64').slice(0, 16);
        return { number, etag: `"${etag}"`, length: bytes.length };
      });
    },
    async complete(key, uploadId) {
      if (!open.delete(`${key}/${uploadId}`)) return false;
      const parts = partsOf(key, uploadId);
      objects.set(`/${key}`, Buffer.concat(parts.map(({ bytes }) => bytes)));
      forgetParts(key, uploadId);
      return true;
    },
    async abort(key, uploadId) {
      open.delete(`${key}/${uploadId}`);
      forgetParts(key, uploadId);
    },
    async readRange(key, start, end) {
      return Uint8Array.from(objects.get(`/${key}`) ?? []).slice(start, end);
    },
    async putPart(key, { id, number }, bytes) {
      if (!open.has(`${key}/${id}`)) throw new Error('NoSuchUpload');
      objects.set(`/${key}/${id}/${number}`, bytes.slice());
      return `"${createHash('sha256').update(bytes).digest('base64').slice(0, 16)}"`;
    },
    async describe(key) {
      const bytes = objects.get(`/${key}`);
      return bytes ? { length: bytes.length, compositeDigest: null } : null;
    },
    async *read(key) {
      const bytes = objects.get(`/${key}`);
      if (bytes) yield bytes;
    },
    async remove(key) {
      objects.delete(`/${key}`);
    },
    presignGet: async (key) => `${origin}/${key}`,
  };
}
