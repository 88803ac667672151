// What a membership service can try that has its real key: certificates of its own making.
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import { generateSigningKey, type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import { randomId } from '../../lib/crypto/random.ts';
import { xWingKeyPair } from '../../lib/crypto/x-wing.ts';
import {
  type CertificateAuthority,
  encryptionKeyDigest,
  issueCertificate,
  randomSerial,
} from '../../lib/membership/certificates.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { SdkError } from '../../sdk/errors.ts';
import { grant } from '../../sdk/grants.ts';
import { reasonOf } from '../../sdk/http.ts';
import type { Transport } from '../../sdk/http.ts';
import type { Operator } from '../../sdk/operator.ts';
import { Patient } from '../../sdk/patient.ts';
import type { CertifiedResult } from '../../sdk/proofs.ts';
import type { Session } from '../../sdk/session.ts';
import { type Call, keySigner, patientSigner, type RequestSigner } from '../../sdk/signing.ts';
import { type Steps, UnexpectedError } from './steps.ts';

const DAY_MS = 86_400_000;

/** The stage of the lies: a liar with the key of the authority, and those it lies to. */
export interface LiarStage {
  readonly steps: Steps;
  /** The real authority: its certificate, and whatever signs with its key. */
  readonly authority: CertificateAuthority;
  readonly patient: Patient;
  /** In the directory, and on the ledger. */
  readonly doctor: Clinician;
  readonly hospitals: readonly string[];
  operator(hospital: string): Promise<Operator>;
  /** A session whose traffic may be changed on its way. */
  session(wrap?: (transport: Transport) => Transport): Session;
}

/** A person whom the liar made up, with all keys in the liar's hands. */
interface MadeUp {
  key: SigningKey;
  signer: RequestSigner;
  kid: string;
  subject: string;
  /** DER, base64url. */
  certificate: string;
}

/** Plays every lie; throws where one is neither stopped nor seen. */
export async function playLies(stage: LiarStage): Promise<void> {
  await new Liar(stage).run();
}

class Liar {
  readonly #stage: LiarStage;
  readonly #session: Session;
  /** The liar signs on the ledger by the authority's key. */
  readonly #self: RequestSigner;

  constructor(stage: LiarStage) {
    this.#stage = stage;
    this.#session = stage.session();
    this.#self = keySigner(stage.authority.signer);
  }

  async run(): Promise<void> {
    await this.#makesDoctor();
    await this.#takesOver();
    await this.#swapsKey();
    await this.#actsAsPatient();
    await this.#reactivates();
  }

  /** Only the hospital's operator makes a certificate count. */
  async #makesDoctor(): Promise<void> {
    const { steps } = this.#stage;
    await steps.run(
      'It makes a doctor: no hospital cosigned, so the ledger does not know it',
      async () => {
        const fake = await this.#certify({ name: 'Nobody At All' });
        const { certificate } = fake;
        const call = { fn: 'identity.register-clinician', args: { certificate } };
        const self = await this.#refused(call, this.#self, 'role_denied');
        const probe = { fn: 'access.list', args: this.#asked() };
        const own = await this.#refused(probe, fake.signer, 'unknown_signer');
        return { value: null, proof: `${self}; as the doctor: ${own}` };
      },
    );
    await steps.run('It sends the certificate to the operator of another hospital', async () => {
      const { certificate } = await this.#certify({ name: 'Nobody At All' });
      const call = { fn: 'identity.register-clinician', args: { certificate } };
      const other = await this.#operator(1);
      return { value: null, proof: await this.#refused(call, other.signer, 'other_hospital') };
    });
  }

  /** A second certificate of a doctor's subject, for a key of the liar's. */
  async #takesOver(): Promise<void> {
    const { steps } = this.#stage;
    const victim = await steps.run('A doctor whom a hospital vouches for', async () => {
      const made = await this.#registered();
      return { value: made, proof: `${made.kid.slice(0, 10)}… on the ledger` };
    });
    const twin = await this.#certify({ subject: victim.subject });
    const operator = await this.#operator(0);
    await steps.run('It takes over an identity, with an operator whom it deceived', async () => {
      const register = { fn: 'identity.register-clinician', args: this.#cert(twin) };
      const again = await this.#refused(register, operator.signer, 'subject_exists');
      const previousSignature = toBase64url(await twin.key.sign(utf8('not what is asked for')));
      const args = { ...this.#cert(twin), previousKid: victim.kid, previousSignature };
      const renew = { fn: 'identity.renew', args };
      const forged = await this.#refused(renew, operator.signer, 'bad_renewal_signature');
      const self = await this.#refused(renew, this.#self, 'role_denied');
      return { value: null, proof: `${again}; ${forged}; by itself: ${self}` };
    });
    await steps.run('It reports the device lost: the doctor is told, and objects', async () => {
      const args = { ...this.#cert(twin), reason: 'device-lost' };
      const asked = await this.#submit({ fn: 'identity.reenrol', args }, operator.signer);
      const call = { fn: 'identity.finish-reenrolment', args: { subject: victim.subject } };
      const early = await this.#refused(call, operator.signer, 'reenrolment_not_approved');
      const veto = { fn: 'identity.veto-reenrolment', args: { subject: victim.subject } };
      const objected = await this.#submit(veto, victim.signer);
      await this.#refused(call, operator.signer, 'no_reenrolment');
      const proof = `seen in block ${asked.height}; ${early}; ended in block ${objected.height}`;
      return { value: null, proof };
    });
  }

  /** The directory gives a key that is the liar's. */
  async #swapsKey(): Promise<void> {
    const { steps, patient, doctor } = this.#stage;
    await steps.run(
      'It swaps an encryption key: the patient compares with the ledger',
      async () => {
        const own = await xWingKeyPair();
        const key = toBase64url(own.publicKey);
        const lying = this.#stage.session((honest) => async (url, init) => {
          const answer = await honest(url, init);
          if (!url.includes('/v1/directory')) return answer;
          const json = (await answer.json()) as { entries: Record<string, unknown>[] };
          const entries = json.entries.map((entry) => ({ ...entry, encryptionKey: key }));
          return Response.json({ entries });
        });
        const deceived = await Patient.open(lying, patient.keystore);
        const to = { name: doctor.keystore.label };
        const terms = {
          rights: ['read'],
          categories: [...patient.data.categories].slice(0, 1),
        } as const;
        const until = this.#session.clock.now() + DAY_MS;
        const error = await grant(deceived, { to, ...terms, until }).catch(
          (caught: unknown) => caught,
        );
        if (!(error instanceof SdkError) || error.code !== 'mismatch') {
          throw new UnexpectedError('nobody noticed the wrong key');
        }
        return { value: null, proof: `nothing was granted or sealed: ${error.message}` };
      },
    );
  }

  /** One-time certificates of its own making, with everything but the owner key. */
  async #actsAsPatient(): Promise<void> {
    const { steps } = this.#stage;
    await steps.run('It gives itself one-time certificates for a patient', async () => {
      const owner = await generateSigningKey({ extractable: true });
      const signer = patientSigner(owner, () => this.#oneTime('patient'));
      const call = { fn: 'patient.permissions', args: {} };
      const read = await this.#refusedQuery(call, signer);
      const take = {
        fn: 'permission.revoke',
        args: { permissionId: randomId() },
      };
      const write = await this.#refused(take, signer, 'unknown_signer');
      return { value: null, proof: `without the patient’s owner key: ${read}; ${write}` };
    });
    await steps.run('It calls a certificate of its own a patient’s, of another role', async () => {
      const owner = await generateSigningKey({ extractable: true });
      const signer = patientSigner(owner, () => this.#oneTime('doctor'));
      const call = { fn: 'patient.permissions', args: {} };
      return { value: null, proof: await this.#refusedQuery(call, signer) };
    });
  }

  /** It may end whom it certified, which all see; it cannot bring anybody back. */
  async #reactivates(): Promise<void> {
    const { steps, patient } = this.#stage;
    const ended = await steps.run(
      'It ends a doctor: patients see who did it, and why',
      async () => {
        const doctor = await this.#registered();
        const permissionId = await this.#granted(doctor);
        const args = { subject: doctor.subject, reason: 'licence-lapsed' };
        const result = await this.#submit({ fn: 'identity.lapse', args }, this.#self);
        const history = await patient.history();
        const entry = history.find(
          (one) => one.fn === 'identity.lapse' && one.permissionId === permissionId,
        );
        if (entry?.actor.role !== 'membership')
          throw new UnexpectedError('the patient sees nothing');
        return {
          value: doctor,
          proof: `block ${result.height}, in the patient’s history as ${entry.actor.role}, ${entry.reason ?? ''}`,
        };
      },
    );
    await steps.run(
      'It brings the lapsed doctor back, with an operator whom it deceived',
      async () => {
        const twin = await this.#certify({ subject: ended.subject });
        const operator = await this.#operator(0);
        const previousSignature = toBase64url(await ended.key.sign(utf8('whatever')));
        const renewal = { ...this.#cert(twin), previousKid: ended.kid, previousSignature };
        const calls: [Call, string][] = [
          [{ fn: 'identity.register-clinician', args: this.#cert(twin) }, 'subject_exists'],
          [{ fn: 'identity.renew', args: renewal }, 'already_revoked'],
          [
            { fn: 'identity.reenrol', args: { ...this.#cert(twin), reason: 'device-lost' } },
            'subject_ended',
          ],
        ];
        const proofs: string[] = [];
        for (const [call, code] of calls) {
          proofs.push(await this.#refused(call, operator.signer, code));
        }
        return { value: null, proof: proofs.join('; ') };
      },
    );
  }

  /** A doctor of the first hospital, whose operator cosigned. */
  async #registered(): Promise<MadeUp> {
    const made = await this.#certify({});
    const operator = await this.#operator(0);
    const call = { fn: 'identity.register-clinician', args: this.#cert(made) };
    await this.#submit(call, operator.signer);
    return made;
  }

  /** A grant of the patient, as the ledger has it; what is sealed for it does not matter here. */
  async #granted({ subject }: MadeUp): Promise<string> {
    const { patient } = this.#stage;
    const [category = ''] = patient.data.categories;
    const permissionId = randomId();
    const args = {
      ...{ permissionId, grantee: subject, rights: ['read'], purposes: ['TREAT'] },
      categories: [patient.tag(category)],
      from: 0,
      until: this.#session.clock.now() + DAY_MS,
      shareDigest: toBase64url(sha256(utf8(permissionId))),
    };
    await this.#session.client.submit({ fn: 'permission.grant', args }, patient.signer);
    return permissionId;
  }

  async #certify({ subject = randomId(), name = 'Dr Made Up' }): Promise<MadeUp> {
    const { authority, hospitals } = this.#stage;
    const key = await generateSigningKey({ extractable: true });
    const encryption = await xWingKeyPair();
    const now = this.#session.clock.now();
    const der = await issueCertificate({
      ca: authority,
      publicKey: key.publicKey,
      claims: {
        ...{ kind: 'ecert', network: this.#session.client.name, role: 'doctor', subject, name },
        hospital: hospitals[0] ?? '',
        encryptionKeyDigest: encryptionKeyDigest(encryption.publicKey),
      },
      serial: randomSerial(),
      notBefore: now - DAY_MS,
      notAfter: now + 300 * DAY_MS,
    });
    const kid = thumbprint(key.publicKey);
    return { key, signer: keySigner(key), kid, subject, certificate: toBase64url(der) };
  }

  async #oneTime(role: 'patient' | 'doctor') {
    const { authority } = this.#stage;
    const key = await generateSigningKey({ extractable: true });
    const now = this.#session.clock.now();
    const certificate = await issueCertificate({
      ca: authority,
      publicKey: key.publicKey,
      claims: { kind: 'tcert', network: this.#session.client.name, role },
      serial: randomSerial(),
      notBefore: now,
      notAfter: now + DAY_MS,
    });
    return { key, certificate };
  }

  #asked() {
    return { pseudonym: this.#stage.patient.pseudonym, purpose: 'TREAT' };
  }

  #cert({ certificate }: MadeUp): { certificate: string } {
    return { certificate };
  }

  #operator(index: number): Promise<Operator> {
    return this.#stage.operator(this.#stage.hospitals[index] ?? '');
  }

  #submit(call: Call, signer: RequestSigner): Promise<CertifiedResult> {
    return this.#session.client.submit(call, signer);
  }

  /** Says how it was refused. Throws where it was not, or for another reason. */
  async #refused(call: Call, signer: RequestSigner, code: string): Promise<string> {
    const error = await this.#submit(call, signer).then(
      () => null,
      (caught: unknown) => caught,
    );
    return this.#proofOf(error, code);
  }

  async #refusedQuery(call: Call, signer: RequestSigner): Promise<string> {
    const error = await this.#session.client.query(call, signer).then(
      () => null,
      (caught: unknown) => caught,
    );
    const found = reasonOf(error);
    return this.#proofOf(error, found === 'certificate_role' ? found : 'unknown_signer');
  }

  #proofOf(error: unknown, code: string): string {
    if (error === null) throw new UnexpectedError(`committed where ${code} is due`);
    if (!(error instanceof SdkError)) throw new UnexpectedError('it failed', { cause: error });
    const found = reasonOf(error) ?? error.code;
    if (found !== code) throw new UnexpectedError(`${found} where ${code} is due`);
    const { height } = error.details as { height?: number };
    return height === undefined ? `${code} by the hospitals` : `${code} in block ${height}`;
  }
}
