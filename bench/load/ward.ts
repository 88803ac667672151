/** What the people of a load do next: calls of each kind, on what was certified before. */
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { generateSigningKey } from '../../lib/crypto/p256.ts';
import { randomBytes, randomId } from '../../lib/crypto/random.ts';
import { monthOf, pseudonymOf, ROOT_BYTES, categoryTag } from '../../sdk/category-keys.ts';
import { DEFAULT_CATEGORY } from '../../sdk/categories.ts';
import type { Call, RequestSigner } from '../../sdk/signing.ts';
import { UII_VERSION } from '../../sdk/uii.ts';
import type { Kind } from './mix.ts';
import type { Consenter, People } from './people.ts';

/** A receipt is no call: it is fetched by the id of its transaction. */
export type ActKind = Exclude<Kind, 'receipt'>;

/** A call with who signs it, and what its certified success changes here. */
export interface Act {
  readonly kind: Kind;
  readonly call: Call;
  readonly signer: RequestSigner;
  readonly succeeded?: () => void;
}

interface Grant {
  readonly patient: Consenter;
  readonly permissionId: string;
  readonly version: number;
  readonly until: number;
}

const GRANT_MS = 7 * 86_400_000;
const NARROWER_MS = 3_600_000;
/** As long as may be: what waits in a crowded network is not to run out meanwhile. */
const VALIDITY_MS = 15 * 60_000;
const PAGE = 20;
const DIGEST_BYTES = 32;
const RECORD_BYTES = 262_144;

export class Ward {
  readonly #people: People;
  /** Pseudonyms that were registered by now; the newest take part like the first. */
  readonly #consenters: Consenter[];
  /** Grants that nothing is under way for, the oldest first. */
  readonly #grants: Grant[] = [];

  constructor(people: People) {
    this.#people = people;
    this.#consenters = [...people.patients];
  }

  /** The next act of a kind; a grant where there is nothing yet to narrow or revoke. */
  async next(kind: ActKind): Promise<Act> {
    switch (kind) {
      case 'register':
        return this.#register();
      case 'grant':
        return this.#grant();
      case 'narrow':
      case 'revoke': {
        const grant = this.#grants.shift();
        if (!grant) return this.#grant();
        return kind === 'narrow' ? this.#narrow(grant) : this.#revoke(grant);
      }
      case 'record':
        return this.#record();
      case 'access':
        return this.#access();
      case 'history': {
        const { pseudonym, signer } = pick(this.#consenters);
        const args = { pseudonym, from: 0, count: PAGE };
        return { kind, call: { fn: 'history.list', args }, signer };
      }
      case 'permissions': {
        const { signer } = pick(this.#people.doctors);
        const call = { fn: 'permission.received', args: { from: 0, count: PAGE } };
        return { kind, call, signer };
      }
    }
  }

  async #register(): Promise<Act> {
    const ownerKey = await generateSigningKey({ extractable: true });
    const root = randomBytes(ROOT_BYTES);
    const pseudonym = pseudonymOf(root, { name: randomId() });
    const signer = pick(this.#people.patients).signerOf(ownerKey);
    const args = {
      pseudonym,
      ownerKey: toBase64url(ownerKey.publicKey),
      uiiVersion: UII_VERSION,
      categoryKeysRoot: digest(),
      categoryKeysFrom: monthOf(Date.now()),
    };
    const tag = categoryTag(root, DEFAULT_CATEGORY);
    return {
      kind: 'register',
      call: { fn: 'patient.register', args, validityMs: VALIDITY_MS },
      signer,
      succeeded: () => this.#consenters.push({ pseudonym, signer, tag }),
    };
  }

  #grant(): Act {
    const patient = pick(this.#consenters);
    const permissionId = randomId();
    const until = Date.now() + GRANT_MS;
    const args = {
      permissionId,
      grantee: pick(this.#people.doctors).subject,
      rights: ['read', 'write'],
      categories: [patient.tag],
      from: 0,
      until,
      purposes: ['TREAT'],
      shareDigest: digest(),
    };
    return {
      kind: 'grant',
      call: { fn: 'permission.grant', args, validityMs: VALIDITY_MS },
      signer: patient.signer,
      succeeded: () => this.#grants.push({ patient, permissionId, version: 1, until }),
    };
  }

  #narrow(grant: Grant): Act {
    const { patient, permissionId, version } = grant;
    const until = grant.until - NARROWER_MS;
    const args = { permissionId, version, until };
    return {
      kind: 'narrow',
      call: { fn: 'permission.narrow', args, validityMs: VALIDITY_MS },
      signer: patient.signer,
      succeeded: () => this.#grants.push({ ...grant, version: version + 1, until }),
    };
  }

  #revoke({ patient, permissionId }: Grant): Act {
    const call = { fn: 'permission.revoke', args: { permissionId }, validityMs: VALIDITY_MS };
    return { kind: 'revoke', call, signer: patient.signer };
  }

  #record(): Act {
    const { doctor, patient } = pick(this.#people.treatments);
    const month = monthOf(Date.now());
    const args = {
      recordId: randomId(),
      pseudonym: patient.pseudonym,
      categoryTag: patient.tag,
      epoch: { month, revision: 0 },
      dataMonth: month,
      ciphertextLength: RECORD_BYTES,
      digest: digest(),
      metadataCommitment: digest(),
      wrapDigest: digest(),
    };
    const call = { fn: 'record.register', args, validityMs: VALIDITY_MS };
    return { kind: 'record', call, signer: doctor.signer };
  }

  #access(): Act {
    const { doctor, recordId } = pick(this.#people.records);
    const args = { recordId, purpose: 'TREAT' };
    const call = { fn: 'access.request', args, validityMs: VALIDITY_MS };
    return { kind: 'access', call, signer: doctor.signer };
  }
}

function pick<T>(from: readonly T[]): T {
  const one = from[Math.floor(Math.random() * from.length)];
  if (one === undefined) throw new RangeError('a load needs people');
  return one;
}

function digest(): string {
  return toBase64url(randomBytes(DIGEST_BYTES));
}
