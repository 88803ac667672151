/**
 * A new device that gets a patient's keys back: asks guardians, starts, waits, opens, and rotates.
 * Every step is kept before the next, so that a run that was ended anywhere goes on.
 */
import { fromBase64url, fromUtf8, toBase64url } from '../lib/crypto/bytes.ts';
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  type SigningKey,
  thumbprint,
} from '../lib/crypto/p256.ts';
import { randomId } from '../lib/crypto/random.ts';
import { encryptionKeyDigest } from '../lib/membership/certificates.ts';
import { EscrowError } from '../lib/escrow/errors.ts';
import { combineGuardianShares, openBlob, openHandedOver } from '../lib/escrow/guardians.ts';
import { fromSealedText } from '../lib/records/sealed.ts';
import { z } from 'zod';
import { standardCategories } from './categories.ts';
import { SdkError } from './errors.ts';
import { openEscrow } from './escrow.ts';
import { blobSchema, readBlobPayload, recoveryAnswer, type RecoveryAnswer } from './guardians.ts';
import { type Keystore, requireKind } from './keystore.ts';
import {
  type PatientData,
  putData,
  readData,
  type RecoveringData,
  recoveringDataSchema,
} from './keystore-data.ts';
import type { Identity } from './membership-client.ts';
import { OneTimeStock } from './one-time-stock.ts';
import { parseValue } from './pages.ts';
import { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Approval, RecoveryRequest } from './recovery-files.ts';
import { enrolOrResume, type Session } from './session.ts';
import { patientSigner, type RequestSigner } from './signing.ts';

const releaseValue = z.object({
  setupId: z.string(),
  pseudonym: z.string(),
  needed: z.int(),
  guardianShares: z.array(z.string()),
});

/** Makes the keys of a new device in a fresh keystore; nothing leaves this machine. */
export async function prepareRecovery(keystore: Keystore): Promise<void> {
  requireKind(keystore, 'patient');
  if (Object.keys(keystore.data).length > 0) return;
  const key = await generateSigningKey({ extractable: true });
  const receivingKey = toBase64url(await exportSigningKey(key));
  putData(keystore, { oneTime: [], recovering: { recoveryId: randomId(), receivingKey } });
  await keystore.save();
}

/** Whether a keystore is on its way to a patient's keys. */
export function isRecovering(keystore: Keystore): boolean {
  return recoveringDataSchema.safeParse(keystore.data).success;
}

export class Recovery {
  readonly session: Session;
  readonly keystore: Keystore;
  readonly #key: SigningKey;
  readonly #signer: RequestSigner;
  #data: RecoveringData;

  private constructor(session: Session, keystore: Keystore, key: SigningKey) {
    this.session = session;
    this.keystore = keystore;
    this.#key = key;
    this.#data = readData(keystore, recoveringDataSchema);
    const stock = new OneTimeStock({
      session,
      keystore,
      isOneName: true,
      load: () => this.#data,
      save: (oneTime) => this.#change({ oneTime }),
    });
    this.#signer = patientSigner(
      key,
      () => stock.take(),
      () => stock.renew(),
    );
  }

  /** Throws `wrong_keystore` where `prepareRecovery` was not run. */
  static async open(session: Session, keystore: Keystore): Promise<Recovery> {
    const { recovering } = readData(keystore, recoveringDataSchema);
    const key = await importSigningKey(fromBase64url(recovering.receivingKey));
    return new Recovery(session, keystore, key);
  }

  get recoveryId(): string {
    return this.#data.recovering.recoveryId;
  }

  /** Whether guardians approved: then the ledger can be asked. */
  get isApproved(): boolean {
    return this.#data.recovering.approved !== undefined;
  }

  get isEnrolled(): boolean {
    return this.#data.enrolment?.status === 'active';
  }

  /**
   * Enrols this device as a patient's: it needs one-time certificates like any other. A person who
   * is enrolled already needs the letter of an operator, who saw the person.
   */
  async enrol(identity: Identity | null, invitation?: string): Promise<'active' | 'pending'> {
    const known = this.#data.enrolment;
    const options = { known, role: 'patient' as const, identity, invitation };
    const enrolment = await enrolOrResume(this.session, this.keystore, options);
    await this.#change({ enrolment });
    return enrolment.status === 'active' ? 'active' : 'pending';
  }

  /** What the guardians are asked with. */
  request(): RecoveryRequest {
    return {
      format: 'carequorum-recovery-request-1',
      network: this.session.client.name,
      recoveryId: this.recoveryId,
      receivingKey: toBase64url(this.#key.publicKey),
      encryptionKey: toBase64url(this.keystore.encryption.publicKey),
    };
  }

  /** Starts the delay. Throws `bad_input` where approvals do not go together, `refused`. */
  async start(approvals: readonly Approval[]): Promise<CertifiedResult> {
    const first = this.#together(approvals);
    const { pseudonym, setupId } = first;
    const shares = approvals.map(({ index, share }) => ({ index, share }));
    const { recovering } = this.#data;
    const approved = { pseudonym, setupId, shares };
    await this.#change({ recovering: { ...recovering, approved } });
    const { receivingKey } = this.request();
    const digest = encryptionKeyDigest(this.keystore.encryption.publicKey);
    const call = {
      fn: 'recovery.start',
      args: {
        ...{ recoveryId: this.recoveryId, receivingKey, pseudonym, setupId },
        encryptionKeyDigest: toBase64url(digest),
        approvals: approvals.map(({ index, publicKey, salt, signature }) => {
          return { index, publicKey, salt, signature };
        }),
      },
    };
    return this.session.client.submit(call, this.#signer);
  }

  /** How far it is, as the ledger proves. */
  async standing(): Promise<RecoveryAnswer> {
    const { pseudonym, setupId } = this.#approved();
    const { receivingKey } = this.request();
    const call = { fn: 'recovery.get', args: { pseudonym, setupId, receivingKey } };
    const value = await this.session.client.query(call, this.#signer, { fresh: true });
    return parseValue(recoveryAnswer, value, call.fn);
  }

  /**
   * After the delay: gets the shares, opens the blob, and makes this keystore the patient's. The
   * keys that it then holds must be rotated (`rotate`) before they can do anything else.
   */
  async openKeys(): Promise<Patient> {
    const { receivingKey } = this.request();
    const call = { fn: 'recovery.release', args: { recoveryId: this.recoveryId, receivingKey } };
    const result = await this.session.client.submit(call, this.#signer);
    const { setupId, pseudonym, needed, guardianShares } = parseValue(
      releaseValue,
      result.value,
      call.fn,
    );
    const { session, keystore } = this;
    const guardians = await this.#guardiansSecret(setupId, guardianShares, needed);
    const opener = { session, key: this.#key, encryption: keystore.encryption };
    const { secret: validators, payload } = await openEscrow(opener, result);
    const place = { network: session.client.name, setupId, pseudonym };
    const secrets = { guardians, validators };
    const bytes = await openBlob(secrets, place, readBlobPayload(payload)).catch(notReadable);
    const { format, ...blob } = blobSchema.parse(JSON.parse(fromUtf8(bytes)));
    void format;
    const { enrolment, oneTime, recovering } = this.#data;
    const { recoveryId, receivingKey: key } = recovering;
    const categories = [...new Set([...blob.categories, ...standardCategories])].slice(0, 41);
    const data: PatientData = {
      ...{ ...blob, enrolment, oneTime, categories },
      recovered: { recoveryId, receivingKey: key },
    };
    putData(keystore, data);
    await keystore.save();
    return Patient.open(session, keystore);
  }

  async #guardiansSecret(
    setupId: string,
    commitments: readonly string[],
    needed: number,
  ): Promise<Uint8Array> {
    const network = this.session.client.name;
    const { seed } = this.keystore.encryption;
    const receivingKid = thumbprint(this.#key.publicKey);
    const given = [];
    for (const { index, share: text } of this.#approved().shares) {
      const place = { network, setupId, index };
      const sealed = fromSealedText(text);
      const share = await openHandedOver(seed, place, { receivingKid, sealed }).catch(() => null);
      if (share) given.push({ place, commitment: commitments[index] ?? '', share });
    }
    return combineGuardianShares(given, needed).catch(notReadable);
  }

  #approved() {
    const { approved } = this.#data.recovering;
    if (approved) return approved;
    throw new SdkError('bad_input', 'No guardian has approved this recovery yet.', {
      nextStep: 'Send the request to your guardians, then `carequorum recover start --approval …`.',
    });
  }

  /** Approvals of one setup, for this device, enough of them. */
  #together(approvals: readonly Approval[]): Approval {
    const [first] = approvals;
    const isForUs = approvals.every((one) => one.recoveryId === this.recoveryId);
    const isOne = approvals.every((one) => one.setupId === first?.setupId);
    const count = new Set(approvals.map((one) => one.publicKey)).size;
    const refuse = (message: string, nextStep: string): never => {
      throw new SdkError('bad_input', message, { nextStep });
    };
    if (!first || !isForUs) {
      refuse('An approval is for another device.', 'Have it made from the request of this one.');
    }
    if (!isOne) {
      refuse(
        'The guardians’ packages are of different times.',
        'Ask each for the newest package that you gave them.',
      );
    }
    const { needed } = first as Approval;
    if (count < needed) {
      refuse(`${count} of ${needed} guardians approved.`, 'Ask more of your guardians.');
    }
    return first as Approval;
  }

  async #change(change: Partial<RecoveringData>): Promise<void> {
    this.#data = { ...this.#data, ...change };
    putData(this.keystore, this.#data);
    await this.keystore.save();
  }
}

function notReadable(cause: unknown): never {
  if (!(cause instanceof EscrowError)) throw cause;
  throw new SdkError('not_readable', 'What guardians handed over does not open the keys.', {
    nextStep: 'Ask other guardians: each can tell whether the own package opens.',
    cause,
  });
}
