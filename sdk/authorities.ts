/** Which keys of the membership service certify people: as genesis says, then as the ledger does. */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { generateSigningKey } from '../lib/crypto/p256.ts';
import {
  authorityKeyId,
  type ParsedCertificate,
  parseCertificate,
  verifyAuthority,
  verifyCertificate,
} from '../lib/membership/certificates.ts';
import { oneTimeAheadMsMax } from '../lib/membership/one-time.ts';
import { problemCodeOf } from './http.ts';
import type { CallControl, NetworkClient } from './network-client.ts';
import { parseValue } from './pages.ts';
import { keySigner } from './signing.ts';

const authorityValue = z.object({
  certificate: z.string(),
  since: z.object({ height: z.int() }),
  former: z.array(z.object({ publicKey: z.string(), countsUntil: z.int().nullable() })),
});

interface Issuer {
  readonly publicKey: Uint8Array;
  /** Last moment at which its certificates count. */
  readonly until: number;
}

/** The key that certifies people now, as the ledger proves it. */
export interface AuthorityInForce {
  /** Uncompressed P-256 point. */
  readonly publicKey: Uint8Array;
  /** Block that put it into force; 0 for that of genesis. */
  readonly since: number;
  /** Keys that were in force before it. */
  readonly former: readonly Uint8Array[];
}

export class Authorities {
  readonly #client: NetworkClient;
  /** The one in force first; never empty. */
  #issuers: readonly [Issuer, ...Issuer[]];

  constructor(client: NetworkClient) {
    this.#client = client;
    const { caCertificate } = client.network.genesis.document.membership;
    const { publicKey } = parseCertificate(fromBase64url(caCertificate));
    this.#issuers = [{ publicKey, until: Infinity }];
  }

  /**
   * Checks a leaf; asks the ledger where it names a key that is not known here. Throws
   * CertificateError, or SdkError where no validator answers.
   */
  async verify(der: Uint8Array, kind: 'ecert' | 'tcert'): Promise<ParsedCertificate> {
    if (!this.#issuerOf(der)) await this.refresh();
    const { publicKey } = this.#issuerOf(der) ?? this.#issuers[0];
    const wanted = { network: this.#client.name, kind } as const;
    const now = this.#client.clock.now();
    // One-time certificates of coming weeks are fetched before they count.
    const { notBefore } = parseCertificate(der);
    const isAhead = kind === 'tcert' && notBefore <= now + oneTimeAheadMsMax;
    return verifyCertificate(der, publicKey, isAhead ? Math.max(now, notBefore) : now, wanted);
  }

  /** Whether a certificate that was verified once is of a key that still counts. */
  counts(der: Uint8Array): boolean {
    return this.#issuerOf(der) !== undefined;
  }

  /** Takes the ledger's word of who certifies, from proofs that start at genesis. */
  async refresh(): Promise<void> {
    await this.inForce();
  }

  /** As `refresh`; gives what is in force. Throws SdkError where no validator proves it. */
  async inForce(control: CallControl = {}): Promise<AuthorityInForce> {
    const { certificate, since, former } = await this.#ask(control);
    const { publicKey } = await verifyAuthority(fromBase64url(certificate), this.#client.name);
    const retired = former.map((one) => ({
      publicKey: fromBase64url(one.publicKey),
      until: one.countsUntil ?? -Infinity,
    }));
    this.#issuers = [{ publicKey, until: Infinity }, ...retired];
    const keys = retired.map((one) => one.publicKey);
    return { publicKey, since: since.height, former: keys };
  }

  /** By a key that was made for it: who enrols is not known to the ledger yet. */
  async #ask(control: CallControl): Promise<z.infer<typeof authorityValue>> {
    const key = await generateSigningKey();
    const call = { fn: 'network.authority', args: { key: toBase64url(key.publicKey) } };
    const signer = keySigner(key);
    const value = await this.#client
      .query(call, signer, { ...control, fresh: true })
      .catch((error: unknown) => {
        // A stranger cannot order anything, which a fresh read may need: then what is newest here.
        if (problemCodeOf(error) === null) throw error;
        return this.#client.query(call, signer, control);
      });
    return parseValue(authorityValue, value, call.fn);
  }

  #issuerOf(der: Uint8Array): Issuer | undefined {
    const named = parseCertificate(der).authorityKeyId;
    const now = this.#client.clock.now();
    return this.#issuers.find(
      ({ publicKey, until }) => authorityKeyId(publicKey) === named && now <= until,
    );
  }
}
