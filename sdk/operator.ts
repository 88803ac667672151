/** A hospital's operator: makes certificates count, ends identities, and probes the network. */
import { toBase64url } from '../lib/crypto/bytes.ts';
import { thumbprint } from '../lib/crypto/p256.ts';
import type { ParsedCertificate } from '../lib/membership/certificates.ts';
import { SdkError } from './errors.ts';
import { networkMembers } from './governance.ts';
import { type Keystore, requireKind } from './keystore.ts';
import type { CallControl, Settled } from './network-client.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Session } from './session.ts';
import { keySigner, type RequestSigner } from './signing.ts';

/** Why an identity ends: codes of the ledger. */
export const revocationReasons = [
  'licence-lapsed',
  'left-hospital',
  'key-compromised',
  'own-request',
  'registered-in-error',
  'other',
] as const;
export type RevocationReason = (typeof revocationReasons)[number];

/** Why somebody may not practise here any more. */
export const lapseReasons = [
  'licence-lapsed',
  'number-deactivated',
  'excluded',
  'left-hospital',
] as const;
export type LapseReason = (typeof lapseReasons)[number];

export class Operator {
  readonly session: Session;
  readonly keystore: Keystore;
  readonly signer: RequestSigner;
  /** Id of the validator whose operator this is. */
  readonly hospital: string;

  /**
   * Throws `wrong_keystore` where the key is of no operator of the network's genesis, unless
   * `hospital` says whose it is.
   */
  constructor(session: Session, keystore: Keystore, hospital?: string) {
    requireKind(keystore, 'operator');
    const seat = hospital ?? hospitalOfGenesis(session, keystore);
    if (seat === null) {
      throw new SdkError('wrong_keystore', 'This key is of no operator of this network.', {
        nextStep: 'Give your operator’s keystore with --keystore, or the right --network.',
      });
    }
    this.session = session;
    this.keystore = keystore;
    this.signer = keySigner(keystore.signingKey);
    this.hospital = seat;
  }

  /** Knows operators of hospitals that joined later, too: those the ledger is asked for. */
  static async open(session: Session, keystore: Keystore): Promise<Operator> {
    requireKind(keystore, 'operator');
    if (hospitalOfGenesis(session, keystore) !== null) return new Operator(session, keystore);
    const own = toBase64url(keystore.publicKey);
    const signer = keySigner(keystore.signingKey);
    const { validators } = await networkMembers({ session, signer });
    const member = validators.find((one) => one.operatorKey === own);
    return new Operator(session, keystore, member?.id);
  }

  /** Reads and verifies an enrolment certificate, to look at before it is approved. */
  async inspect(certificate: Uint8Array): Promise<ParsedCertificate & { kid: string }> {
    const { authorities } = this.session;
    // Also where the key is known here: it may be in wrong hands since, and the ledger knows.
    await authorities.refresh();
    try {
      const parsed = await authorities.verify(certificate, 'ecert');
      return { ...parsed, kid: thumbprint(parsed.publicKey) };
    } catch (cause) {
      throw new SdkError('not_proven', 'The membership service did not issue this certificate.', {
        nextStep: 'Approve nothing. Ask the clinician to enrol again.',
        cause,
      });
    }
  }

  /** Makes a clinician's certificate count; only for one's own hospital. */
  async approve(certificate: Uint8Array, control: CallControl = {}): Promise<CertifiedResult> {
    await this.inspect(certificate);
    const args = { certificate: toBase64url(certificate) };
    const call = { fn: 'identity.register-clinician', args };
    return this.session.client.submit(call, this.signer, control);
  }

  async revoke(kid: string, reason: RevocationReason): Promise<CertifiedResult> {
    const call = { fn: 'identity.revoke', args: { kid, reason } };
    return this.session.client.submit(call, this.signer);
  }

  /** Ends a clinician for good, with every grant that patients gave. */
  async lapse(subject: string, reason: LapseReason): Promise<CertifiedResult> {
    const call = { fn: 'identity.lapse', args: { subject, reason } };
    for (;;) {
      const result = await this.session.client.submit(call, this.signer);
      if ((result.value as { remaining: number }).remaining === 0) return result;
    }
  }

  /** Commits a label: shows that the network orders and executes. */
  async probe(label: string, control: CallControl = {}): Promise<CertifiedResult> {
    return this.session.client.submit(
      { fn: 'governance.probe', args: { label } },
      this.signer,
      control,
    );
  }

  async probeAll(
    labels: readonly string[],
    control: CallControl & { onSettled?: (done: number, of: number) => void } = {},
  ): Promise<Settled[]> {
    const calls = labels.map((label) => ({ fn: 'governance.probe', args: { label } }));
    return this.session.client.submitAll(calls, this.signer, control);
  }
}

function hospitalOfGenesis({ network }: Session, { publicKey }: Keystore): string | null {
  const own = toBase64url(publicKey);
  const { validators } = network.genesis.document;
  return validators.find((one) => one.operatorKey === own)?.id ?? null;
}
