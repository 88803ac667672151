/** A certified self-query: what the data bank says of a clinician, signed, brought by the same. */

import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { fromBase64, fromUtf8 } from '../../../lib/crypto/bytes.ts';
import { CryptoError } from '../../../lib/crypto/errors.ts';
import { parseJws, verifyJws } from '../../../lib/crypto/jws.ts';
import { spkiToRaw } from '../../../lib/crypto/p256.ts';
import { isSameName } from '../../../lib/membership/person-name.ts';
import type { NpdbVerdict } from './npdb.ts';
import { comparable } from './nppes.ts';
import type { ClinicianClaim } from './registry.ts';

export const SELF_QUERY_TYPE = 'npdb-self-query';
const CHARS_MAX = 16_384;
/** How old an answer may be; hospitals query on application (45 CFR 60.17). */
const AGE_MS_MAX = 90 * 86_400_000;
const SKEW_MS_MAX = 300_000;

const contentSchema = z.strictObject({
  subject: z.strictObject({
    npi: z.string().regex(/^\d{10}$/),
    first: z.string().min(1).max(100),
    middle: z.string().max(100),
    last: z.string().min(1).max(100),
    state: z.string().regex(/^[A-Z]{2}$/),
    licence: z.string().min(1).max(64),
  }),
  /** When the data bank was searched, ISO 8601. */
  searchedAt: z.iso.datetime(),
  reports: z.int().min(0),
  /** Number of the response at the data bank. */
  reference: z.string().min(1).max(64),
});

/** Why a document is not taken; `void` says no more than that it does not fit. */
export type SelfQueryVerdict = Exclude<NpdbVerdict, 'unavailable'> | 'void';

export interface SelfQuery {
  verdict: SelfQueryVerdict;
  /** Of the search, milliseconds; 0 of a void document. */
  searchedAt: number;
  reference: string;
}

/**
 * What is checked, in this order: it is a JWS of this type under ES256 whose one certificate is
 * issued and signed by the pinned issuer, and valid when the search was made; the signature; the
 * form; number, name, state and licence of the very claim; and the age. The real data bank hands
 * out a signed PDF: whoever takes that converts it, checks its signature, and signs this.
 */
export async function verifySelfQuery(
  compact: string,
  claim: ClinicianClaim,
  { issuer, now }: { issuer: X509Certificate; now: number },
): Promise<SelfQuery> {
  const nothing: SelfQuery = { verdict: 'void', searchedAt: 0, reference: '' };
  const opened = await open(compact, issuer);
  if (opened === null) return nothing;
  const { subject, reference, reports } = opened.content;
  const searchedAt = Date.parse(opened.content.searchedAt);
  const { validFrom, validTo } = opened.certificate;
  const wasValid = Date.parse(validFrom) <= searchedAt && searchedAt <= Date.parse(validTo);
  const isFresh = searchedAt <= now + SKEW_MS_MAX && now - searchedAt <= AGE_MS_MAX;
  const isSame =
    subject.npi === claim.npi &&
    subject.state === comparable(claim.state) &&
    comparable(subject.licence) === comparable(claim.licence) &&
    isSameName(claim.name, subject);
  if (!wasValid || !isFresh || !isSame) return nothing;
  return { verdict: reports === 0 ? 'clear' : 'reports', searchedAt, reference };
}

async function open(compact: string, issuer: X509Certificate) {
  try {
    const jws = parseJws(compact, CHARS_MAX);
    const [text, ...others] = jws.header.x5c ?? [];
    if (jws.header.typ !== SELF_QUERY_TYPE || text === undefined || others.length > 0) return null;
    const certificate = new X509Certificate(fromBase64(text));
    const isIssued = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
    if (!isIssued || certificate.ca || !issuer.ca) return null;
    const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
    if (!(await verifyJws(jws, spkiToRaw(spki)))) return null;
    const content = contentSchema.safeParse(JSON.parse(fromUtf8(jws.payload)));
    return content.success ? { certificate, content: content.data } : null;
  } catch (error) {
    // Whatever does not parse is void: the message of a parser helps nobody here.
    if (error instanceof CryptoError || error instanceof Error) return null;
    throw error;
  }
}
