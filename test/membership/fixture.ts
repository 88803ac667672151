/** A membership service in memory, with people who enrol at it. */
import { fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen } from '../../lib/crypto/hpke.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { type XWingKeyPair, xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import { encryptionKeyDigest } from '../../lib/membership/certificates.ts';
import { signMembershipRequest } from '../../lib/membership/requests.ts';
import type { Role } from '../../lib/membership/roles.ts';
import { httpHandler, type RequestLine } from '../../functions/aws/http.ts';
import { ServiceGenesis } from '../../functions/aws/service-genesis.ts';
import { checkOwnAuthority } from '../../functions/membership/authority.ts';
import { AuthorityWatch } from '../../functions/membership/authority-watch.ts';
import type { MembershipContext } from '../../functions/membership/context.ts';
import type { Identity } from '../../functions/membership/enrolment.ts';
import type { RegistryVerdict } from '../../functions/membership/registry/registry.ts';
import { routes } from '../../functions/membership/routes.ts';
import { membershipOperations } from '../../functions/membership/service.ts';
import { createVault } from '../../functions/membership/vault.ts';
import { type ApiResult as Answer, callApi } from '../functions/call.ts';
import { makeNetwork, type TestNetwork } from '../support/network.ts';
import { memoryItemStore, type MemoryItemStore } from './memory-item-store.ts';

const network = 'local-test';

export interface TestService {
  context: MembershipContext;
  store: MemoryItemStore;
  net: TestNetwork;
  clock: { now: number };
  /** What the registry answers next. */
  registry: { verdict: RegistryVerdict; asked: number };
  lines: RequestLine[];
  /** Lapses that were told to the ledger, and what it answers. */
  lapses: { told: string[]; answer: 'done' | 'more' | 'unavailable' };
  call(
    method: string,
    path: string,
    body?: object,
    headers?: Record<string, string>,
  ): Promise<Answer>;
}

/** A service whose authority is the one of a made-up network. */
export async function makeService(options: { install?: boolean } = {}): Promise<TestService> {
  const net = await makeNetwork(4);
  const store = memoryItemStore();
  const clock = { now: 1_700_000_100_000 };
  const lapses: TestService['lapses'] = { told: [], answer: 'done' };
  const registry: TestService['registry'] = { verdict: 'verified', asked: 0 };
  const operatorKeys = Object.fromEntries(
    net.validators.map((one) => [one.id, thumbprint(one.operator.publicKey)]),
  );
  const base = {
    network,
    store,
    authorityKeys: async () => [net.authority],
    now: () => clock.now,
  };
  const genesis = new ServiceGenesis({
    store,
    network,
    operatorKeys,
    checkOwnKeys: (document) => checkOwnAuthority(base, document),
  });
  const context: MembershipContext = {
    ...base,
    authority: new AuthorityWatch({
      ...{ store, genesis, now: base.now, keys: base.authorityKeys },
      ask: async () => null,
    }),
    apiUrl: 'http://membership.test',
    npdb: { service: null, issuer: null },
    operatorKeys,
    genesis,
    ledger: {
      async lapse(subject, reason) {
        lapses.told.push(`${subject} ${reason}`);
        return lapses.answer;
      },
      bind: async () => null,
    },
    vault: createVault(store, {
      wrap: async (purpose, secret) => Uint8Array.of(purpose.length, ...secret.map((b) => b ^ 90)),
      unwrap: async (_purpose, wrapped) => wrapped.slice(1).map((b) => b ^ 90),
    }),
    registry: {
      async verify() {
        registry.asked += 1;
        return registry.verdict;
      },
    },
  };
  const lines: RequestLine[] = [];
  const handler = httpHandler({
    routes,
    operations: membershipOperations(context),
    log: (line) => lines.push(line),
  });
  const call: TestService['call'] = (method, path, body, headers = {}) =>
    callApi(handler, { method, path, headers, text: body && JSON.stringify(body) });
  if (options.install ?? true) {
    // The network's authority was made elsewhere: it takes the place of a first bootstrap.
    const ca = fromBase64url(net.genesis.document.membership.caCertificate);
    await store.insert({ pk: 'service', sk: 'authority' }, { certificate: ca });
    const installed = await call('POST', '/v1/genesis', net.signed);
    if (installed.status !== 200) throw new Error(JSON.stringify(installed.body));
  }
  return { context, store, net, clock, registry, lines, lapses, call };
}

export interface Person {
  role: Role;
  signing: SigningKey;
  encryption: XWingKeyPair;
  identity: Identity;
}

export async function makePerson(role: Role, identity: Partial<Identity> = {}): Promise<Person> {
  const [signing, encryption] = await Promise.all([generateSigningKey(), xWingKeyPair()]);
  return { role, signing, encryption, identity: { name: 'Ada Okonjo', ...identity } };
}

export const doctorIdentity: Identity = {
  name: 'Ada Okonjo',
  npi: '1720377294',
  state: 'NY',
  licence: '900001',
  hospital: 'hospital-a',
};

/** Network, window and nonce of a signed request. */
export function head(service: TestService): {
  network: string;
  issuedAt: number;
  expiresAt: number;
  nonce: string;
} {
  const { now } = service.clock;
  return { network, issuedAt: now, expiresAt: now + 300_000, nonce: randomId() };
}

export async function enrolBody(service: TestService, person: Person): Promise<object> {
  const { role, signing, encryption, identity } = person;
  const digest = toBase64url(encryptionKeyDigest(encryption.publicKey));
  const payload = { ...head(service), role, encryptionKeyDigest: digest };
  return {
    role,
    signingKey: toBase64url(signing.publicKey),
    encryptionKey: toBase64url(encryption.publicKey),
    request: await signMembershipRequest('cq-enrol', payload, signing),
    identity,
  };
}

/** What the challenge holds, as the holder of the seed opens it. */
export async function openChallenge(person: Person, answer: Answer): Promise<string> {
  const { enrolmentId, challenge } = answer.body as {
    enrolmentId: string;
    challenge: { enc: string; ciphertext: string };
  };
  const opened = await hpkeOpen(person.encryption.seed, {
    enc: fromBase64url(challenge.enc),
    ciphertext: fromBase64url(challenge.ciphertext),
    info: hpkeInfo({
      network,
      purpose: 'enrolment-challenge',
      subject: enrolmentId,
      recipient: thumbprint(person.signing.publicKey),
    }),
    aad: new Uint8Array(),
  });
  return toBase64url(opened);
}

/** Enrols to the end; gives the id and the last answer. */
export async function enrolFully(
  service: TestService,
  person: Person,
  more: object = {},
): Promise<{ id: string; answer: Answer; proof: string }> {
  const body = { ...(await enrolBody(service, person)), ...more };
  const begun = await service.call('POST', '/v1/enrolments', body);
  if (begun.status !== 201) return { id: '', answer: begun, proof: '' };
  const id = begun.body['enrolmentId'] as string;
  const proof = await openChallenge(person, begun);
  const answer = await service.call('POST', `/v1/enrolments/${id}/proof`, { answer: proof });
  return { id, answer, proof };
}
