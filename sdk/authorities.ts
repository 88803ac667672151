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
import type { NetworkClient } from './network-client.ts';
import { parseValue } from './pages.ts';
import { keySigner } from './signing.ts';

const authorityValue = z.object({
  certificate: z.string(),
  former: z.array(z.object({ publicKey: z.string(), countsUntil: z.int().nullable() })),
});

interface Issuer {
  readonly publicKey: Uint8Array;
  /** Last moment at which its certificates count. */
  readonly until: number;
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

  /** Asks the ledger, by a key that was made for it: who enrols is not known there yet. */
  async refresh(): Promise<void> {
    const key = await generateSigningKey();
    const call = { fn: 'network.authority', args: { key: toBase64url(key.publicKey) } };
    const signer = keySigner(key);
    const value = await this.#client
      .query(call, signer, { fresh: true })
      .catch((error: unknown) => {
        // A stranger cannot order anything, which a fresh read may need: then what is newest here.
        if (problemCodeOf(error) === null) throw error;
        return this.#client.query(call, signer);
      });
    const { certificate, former } = parseValue(authorityValue, value, call.fn);
    const { publicKey } = await verifyAuthority(fromBase64url(certificate), this.#client.name);
    const retired = former.map((one) => ({
      publicKey: fromBase64url(one.publicKey),
      until: one.countsUntil ?? -Infinity,
    }));
    this.#issuers = [{ publicKey, until: Infinity }, ...retired];
  }

  #issuerOf(der: Uint8Array): Issuer | undefined {
    const named = parseCertificate(der).authorityKeyId;
    const now = this.#client.clock.now();
    return this.#issuers.find(
      ({ publicKey, until }) => authorityKeyId(publicKey) === named && now <= until,
    );
  }
}
