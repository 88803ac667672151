/** A network of validators with real keys: genesis, certified headers, sessions and set changes. */
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { taggedHash } from '../../lib/crypto/hash.ts';
import { generateSigningKey, type SigningKey } from '../../lib/crypto/p256.ts';
import { genesisHeader } from '../../lib/ledger/genesis-header.ts';
import { merkleRoot } from '../../lib/ledger/merkle.ts';
import { defaultParameters, parametersHash } from '../../lib/wire/parameters.ts';
import { type Genesis, parseGenesis } from '../../lib/wire/genesis.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { type SessionBody, type SessionCertificate } from '../../lib/wire/session.ts';
import { sessionSigningBytes } from '../../lib/wire/session.ts';
import { quorumSize, type Validator, validatorsHash } from '../../lib/wire/validators.ts';
import type { ValidatorSet } from '../../lib/wire/validators.ts';
import { type Certificate, type Phase, voteSigningBytes } from '../../lib/wire/vote.ts';

export interface Seat {
  id: string;
  kms: SigningKey;
  vote: SigningKey;
  read: SigningKey;
}

export const SESSION_UNTIL = 1000;

export async function makeSeat(id: string): Promise<Seat> {
  const [kms, vote, read] = await Promise.all([
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
  ]);
  return { id, kms, vote, read };
}

export async function makeSession(
  seat: Seat,
  purpose: 'vote' | 'read',
  change: Partial<SessionBody> & { network: string },
  signer: SigningKey = seat.kms,
): Promise<SessionCertificate> {
  const body: SessionBody = {
    validator: seat.id,
    incarnation: 0,
    purpose,
    key: seat[purpose].publicKey,
    fromHeight: 0,
    untilHeight: SESSION_UNTIL,
    ...change,
  };
  return { body, signature: await signer.sign(sessionSigningBytes(body)) };
}

export class TestNetwork {
  /** The exact text of the genesis document. */
  readonly text: string;
  readonly genesis: Genesis;
  readonly seats: readonly Seat[];

  constructor(text: string, seats: readonly Seat[]) {
    this.text = text;
    this.genesis = parseGenesis(text);
    this.seats = seats;
  }

  static async create(network: string): Promise<TestNetwork> {
    const seats = await Promise.all(['va', 'vb', 'vc', 'vd'].map(makeSeat));
    const validators = await Promise.all(seats.map((seat) => genesisValidator(network, seat)));
    const document = {
      format: 'carequorum-genesis-1',
      network,
      createdAt: 1_700_000_000_000,
      validators,
      membership: { caCertificate: 'AAAA', apiUrl: 'http://localhost:4001' },
      custodian: {
        key: toBase64url((await generateSigningKey()).publicKey),
        apiUrl: 'http://localhost:4002',
      },
      parameters: defaultParameters,
    };
    return new TestNetwork(JSON.stringify(document), seats);
  }

  get set(): ValidatorSet {
    return this.genesis.validators;
  }

  header(height: number, change: Partial<BlockHeader> = {}): BlockHeader {
    return {
      ...genesisHeader(this.genesis, new Uint8Array(32)),
      height,
      proposer: 'vb',
      previousHash: taggedHash('test-previous'),
      transactionsRoot: merkleRoot([Uint8Array.of(1)]),
      time: 1_700_000_100_000 + height,
      paramsHash: parametersHash(defaultParameters),
      historyRoot: taggedHash('test-history'),
      ...change,
    };
  }

  /** A quorum's certificate over a header, by these seats of this set. */
  async certify(
    header: BlockHeader,
    options: { seats?: readonly Seat[]; phase?: Phase; view?: number; ledger?: string } = {},
  ): Promise<Certificate> {
    const seats = options.seats ?? this.seats.slice(0, quorumSize(this.seats.length));
    const statement = {
      phase: (options.phase ?? 'commit') as 'commit' | 'prepare',
      height: header.height,
      view: options.view ?? header.view,
      hash: headerHash(header),
    };
    const context = {
      genesisHash: this.genesis.hash,
      ledger: options.ledger ?? header.ledger,
      validatorsHash: header.validatorsHash,
    };
    const bytes = voteSigningBytes(context, statement);
    const votes = await Promise.all(
      seats.map(async (seat) => ({ validator: seat.id, signature: await seat.vote.sign(bytes) })),
    );
    return { ...statement, votes };
  }

  /** A header that makes `next` the set of the height after it. */
  linkHeader(height: number, current: ValidatorSet, next: ValidatorSet): BlockHeader {
    return this.header(height, {
      validatorsHash: validatorsHash(current),
      nextValidatorsHash: validatorsHash(next),
    });
  }
}

export function validatorOf(seat: Seat, change: Partial<Validator> = {}): Validator {
  return {
    id: seat.id,
    kmsKey: seat.kms.publicKey,
    incarnation: 0,
    suspended: false,
    ...change,
  };
}

async function genesisValidator(network: string, seat: Seat) {
  const text = ({ body, signature }: SessionCertificate) => ({
    key: toBase64url(body.key),
    incarnation: body.incarnation,
    fromHeight: body.fromHeight,
    untilHeight: body.untilHeight,
    signature: toBase64url(signature),
  });
  return {
    id: seat.id,
    name: `Hospital ${seat.id}`,
    kmsKey: toBase64url(seat.kms.publicKey),
    operatorKey: toBase64url(seat.kms.publicKey),
    session: text(await makeSession(seat, 'vote', { network })),
    read: text(await makeSession(seat, 'read', { network })),
    shareKey: toBase64url(new Uint8Array(1216)),
    apiUrl: `http://localhost:4100/${seat.id}`,
  };
}
