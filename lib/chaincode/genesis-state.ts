/** The state of height 0: who is who by the genesis document. */
import { fromBase64url } from '../crypto/bytes.ts';
import { thumbprint } from '../crypto/p256.ts';
import { parseCertificate } from '../membership/certificates.ts';
import { encodeCbor } from '../wire/codec.ts';
import type { Genesis } from '../wire/genesis.ts';
import { type Cell, cells } from './cells.ts';
import type { Write } from './draft.ts';
import type { IdentityRole } from './roles.ts';
import type { Identity } from './values.ts';

interface Party {
  role: IdentityRole;
  subject: string;
  hospital: string | null;
  name: string;
  publicKey: Uint8Array;
}

/**
 * The writes that make the first state, in the order of their keys: parameters, validators with
 * their sessions, authority, hospitals with their addresses, and the identities of operators,
 * validators, custodian and membership service.
 * @throws Error where two parties share a key
 */
export function genesisWrites(genesis: Genesis): Write[] {
  const { document, validators, sessions } = genesis;
  const certificate = fromBase64url(document.membership.caCertificate);
  const { publicKey: authorityKey } = parseCertificate(certificate);
  const authorityKid = thumbprint(authorityKey);
  const writes = [
    write(cells.parameters, document.parameters),
    write(cells.validators, validators),
    write(cells.sessions, sessions),
    write(cells.authority, { certificate, publicKey: authorityKey, kid: authorityKid }),
  ];
  for (const { id, name, apiUrl, operatorKey, shareKey } of document.validators) {
    const operator = thumbprint(fromBase64url(operatorKey));
    const incarnation = validators.find((one) => one.id === id)?.incarnation ?? 0;
    const entry = {
      ...{ name, apiUrl, incarnation },
      operatorKey: fromBase64url(operatorKey),
      shareKey: fromBase64url(shareKey),
      since: { time: document.createdAt, height: 0 },
      removed: null,
      rejoined: null,
    };
    writes.push(write(cells.hospital(id), { name, operator }));
    writes.push(write(cells.directory(id), entry));
  }
  for (const party of partiesOf(genesis, authorityKey)) {
    const { role, subject, hospital, publicKey } = party;
    const kid = thumbprint(publicKey);
    writes.push(write(cells.identity(kid), identityOfParty(party, document.createdAt)));
    writes.push(write(cells.subject(subject), { kid, role, hospital, status: 'active' }));
  }
  writes.sort((a, b) => (a.key < b.key ? -1 : 1));
  const repeated = writes.find((one, index) => one.key === writes[index + 1]?.key);
  if (repeated) throw new Error(`two parties of the genesis document share ${repeated.key}`);
  return writes;
}

function partiesOf({ document }: Genesis, authorityKey: Uint8Array): Party[] {
  const operators = document.validators.map(({ id, name, operatorKey }): Party => ({
    role: 'operator',
    subject: `operator-${id}`,
    hospital: id,
    name: `Operator of ${name}`,
    publicKey: fromBase64url(operatorKey),
  }));
  const validators = document.validators.map(({ id, name, kmsKey }): Party => ({
    role: 'validator',
    subject: `validator-${id}`,
    hospital: id,
    name: `Validator of ${name}`,
    publicKey: fromBase64url(kmsKey),
  }));
  const custodian: Party = {
    role: 'custodian',
    subject: 'custodian',
    hospital: null,
    name: 'Custodian',
    publicKey: fromBase64url(document.custodian.key),
  };
  const membership: Party = {
    role: 'membership',
    subject: 'membership',
    hospital: null,
    name: 'Membership service',
    publicKey: authorityKey,
  };
  return [...operators, ...validators, custodian, membership];
}

function identityOfParty(party: Party, time: number): Identity {
  return {
    ...party,
    encryptionKeyDigest: null,
    validUntil: null,
    serial: '',
    status: 'active',
    since: { time, height: 0 },
    ended: null,
    successor: null,
  };
}

function write<T>(cell: Cell<T>, value: T): Write {
  return { key: cell.key, value: encodeCbor(cell.schema.parse(value)) };
}
