/** Errors of certificates: why one is not taken. */

export type CertificateErrorCode =
  /** Not a DER certificate in the one form that is issued here. */
  | 'certificate_malformed'
  /** The extension that says role and network is missing, or says something else than it may. */
  | 'certificate_claims'
  /** Signed by, or naming, another authority. */
  | 'certificate_wrong_authority'
  /** The authority's own certificate where a leaf is wanted, or the other way round. */
  | 'certificate_wrong_use'
  | 'certificate_bad_signature'
  | 'certificate_expired'
  | 'certificate_not_yet_valid'
  | 'certificate_wrong_network'
  /** An enrolment certificate where a one-time certificate is wanted, or the other way round. */
  | 'certificate_wrong_kind';

/** Thrown by `lib/membership/certificates.ts`; `code` is stable and reaches clients. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
  readonly code: CertificateErrorCode;

  constructor(code: CertificateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
