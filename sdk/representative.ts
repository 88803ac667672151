/** A representative: acts for patients by a key for each, with what was handed over and no more. */
import { z } from 'zod';
import { toBase64url } from '../lib/crypto/bytes.ts';
import { exportSigningKey, generateSigningKey, thumbprint } from '../lib/crypto/p256.ts';
import { randomBytes } from '../lib/crypto/random.ts';
import { keyPairs, type Keystore, requireKind } from './keystore.ts';
import {
  putData,
  readData,
  type RepresentativeData,
  representativeDataSchema,
} from './keystore-data.ts';
import { SdkError } from './errors.ts';
import type { Identity } from './membership-client.ts';
import { OneTimeStock } from './one-time-stock.ts';
import { makeCard, type RepresentativeCard } from './representative-card.ts';
import { enrolOrResume, type Session } from './session.ts';
import { patientSigner } from './signing.ts';
import { Delegate } from './delegate.ts';
import type { FilePlatform } from './platform/files.ts';

/** Bytes of the seed of an X-Wing pair. */
const SEED_BYTES = 32;
const labelField = z.string().trim().min(1).max(128);

export class Representative {
  readonly session: Session;
  readonly keystore: Keystore;
  readonly #files: FilePlatform;
  readonly #stock: OneTimeStock;
  #data: RepresentativeData;

  constructor(session: Session, keystore: Keystore, files: FilePlatform) {
    requireKind(keystore, 'representative');
    this.session = session;
    this.keystore = keystore;
    this.#files = files;
    const isNew = Object.keys(keystore.data).length === 0;
    this.#data = isNew
      ? { oneTime: [], clients: [] }
      : readData(keystore, representativeDataSchema);
    this.#stock = new OneTimeStock({
      session,
      keystore,
      // A key for each patient: no certificate may tell that they have one representative.
      isOneName: false,
      load: () => this.#data,
      save: (oneTime) => this.#update({ oneTime }),
    });
  }

  get data(): RepresentativeData {
    return this.#data;
  }

  /** Enrols with the membership service, or goes on with an enrolment that was pending. */
  async enrol(identity: Identity | null, invitation?: string): Promise<'active' | 'pending'> {
    const known = this.#data.enrolment;
    const asked = { known, role: 'representative' as const, identity, invitation };
    const enrolment = await enrolOrResume(this.session, this.keystore, asked);
    await this.#update({ enrolment });
    return enrolment.status === 'active' ? 'active' : 'pending';
  }

  /**
   * Makes keys for one more patient, and the card that the patient appoints. `label` is what the
   * representative calls the patient; it stays in the keystore. Throws `bad_input`.
   */
  async card(label: string, name: string): Promise<RepresentativeCard> {
    const known = labelField.safeParse(label);
    if (!known.success || this.#data.clients.some((one) => one.label === known.data)) {
      throw new SdkError('bad_input', `You cannot use «${label.slice(0, 80)}» for this patient.`, {
        nextStep: 'Choose a name that you use for nobody else.',
      });
    }
    const fresh = {
      signingKey: toBase64url(
        await exportSigningKey(await generateSigningKey({ extractable: true })),
      ),
      encryptionSeed: toBase64url(randomBytes(SEED_BYTES)),
    };
    const { signingKey, encryption } = await keyPairs(fresh);
    const client = { label: known.data, ...fresh };
    await this.#update({ clients: [...this.#data.clients, client] });
    const network = this.session.client.name;
    return makeCard(signingKey, { network, name, encryptionKey: encryption.publicKey });
  }

  /** Acts for a patient. Throws `not_found`, and `refused` where the appointment does not hold. */
  async actFor(label: string): Promise<Delegate> {
    const client = this.#data.clients.find((one) => one.label === label);
    if (!client) {
      const labels = this.#data.clients.map((one) => one.label);
      throw new SdkError('not_found', `You have made no card for «${label.slice(0, 80)}».`, {
        nextStep:
          labels.length === 0
            ? 'Make one: `carequorum representative card`.'
            : `Give one of these with --for: ${labels.join(', ')}.`,
      });
    }
    const { signingKey, encryption } = await keyPairs(client);
    const signer = patientSigner(
      signingKey,
      () => this.#stock.take(),
      () => this.#stock.renew(),
    );
    return Delegate.open({
      ...{ session: this.session, files: this.#files, key: signingKey, signer },
      ...{ kid: thumbprint(signingKey.publicKey), seed: encryption.seed },
    });
  }

  async #update(change: Partial<RepresentativeData>): Promise<void> {
    this.#data = { ...this.#data, ...change };
    putData(this.keystore, this.#data);
    await this.keystore.save();
  }
}
