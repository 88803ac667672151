/** The genesis document: the one file from which every receipt can be verified offline. */
import { z } from 'zod';
import { fromBase64url, fromUtf8, utf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { parseJws, verifyJws } from '../crypto/jws.ts';
import { thumbprint } from '../crypto/p256.ts';
import { limits } from '../limits.ts';
import { parseWith } from './codec.ts';
import { WireError } from './errors.ts';
import { heightField, networkField, timeField, validatorIdField } from './fields.ts';
import { parametersConflict, parametersSchema, unsafeParameter } from './parameters.ts';
import { type SessionCertificate, verifySessionCertificate } from './session.ts';
import type { ValidatorSet } from './validators.ts';

/** A P-256 point of 65 bytes in base64url. */
const keyText = z.string().regex(/^[A-Za-z0-9_-]{87}$/);
const signatureText = z.string().regex(/^[A-Za-z0-9_-]{86}$/);
/** An X-Wing public key of 1,216 bytes in base64url. */
const xWingText = z.string().regex(/^[A-Za-z0-9_-]{1622}$/);
const urlField = z.url({ protocol: /^https?$/ }).max(512);

const sessionText = z.strictObject({
  key: keyText,
  incarnation: heightField,
  fromHeight: heightField,
  untilHeight: heightField,
  signature: signatureText,
});

const genesisValidatorSchema = z.strictObject({
  id: validatorIdField,
  name: z.string().min(1).max(128),
  kmsKey: keyText,
  operatorKey: keyText,
  session: sessionText,
  read: sessionText,
  /** Receives this validator's share of emergency and recovery keys. */
  shareKey: xWingText,
  apiUrl: urlField,
});

export const genesisSchema = z.strictObject({
  format: z.literal('carequorum-genesis-1'),
  network: networkField,
  createdAt: timeField,
  validators: z.array(genesisValidatorSchema).min(4).max(limits.validatorsMax),
  membership: z.strictObject({
    /** DER of the self-signed CA certificate, base64url. */
    caCertificate: z.string().max(8192),
    apiUrl: urlField,
  }),
  custodian: z.strictObject({ key: keyText, apiUrl: urlField }),
  parameters: parametersSchema,
});
export type GenesisDocument = z.infer<typeof genesisSchema>;

/** A genesis document as signed: its exact bytes and a JWS of each operator. */
export const signedGenesisSchema = z.strictObject({
  document: z.string().max(limits.genesisBytesMax),
  signatures: z.array(z.string().max(4096)).max(limits.validatorsMax),
});
export type SignedGenesis = z.infer<typeof signedGenesisSchema>;

/** What is derived from a genesis document once. */
export interface Genesis {
  document: GenesisDocument;
  hash: Uint8Array;
  validators: ValidatorSet;
  /** First vote and read sessions, certified by the KMS keys above. */
  sessions: SessionCertificate[];
}

export const genesisJwsType = 'cq-genesis';

/** Parses a document's exact text; the hash is over its bytes. */
export function parseGenesis(text: string): Genesis {
  const bytes = utf8(text);
  if (bytes.length > limits.genesisBytesMax) throw new WireError('too_large', 'genesis document');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError('malformed', 'the genesis document is not JSON', { cause });
  }
  const document = parseWith(genesisSchema, value);
  requireSafe(document);
  const conflict = parametersConflict(document.parameters);
  if (conflict) throw new WireError('malformed', conflict);
  const ids = new Set(document.validators.map((validator) => validator.id));
  if (ids.size !== document.validators.length) {
    throw new WireError('malformed', 'two validators share an id');
  }
  return {
    document,
    hash: taggedHash('genesis', bytes),
    validators: document.validators.map((one) => ({
      id: one.id,
      kmsKey: fromBase64url(one.kmsKey),
      incarnation: one.session.incarnation,
      suspended: false,
    })),
    sessions: document.validators.flatMap((one) => [
      sessionOf(document.network, one.id, 'vote', one.session),
      sessionOf(document.network, one.id, 'read', one.read),
    ]),
  };
}

/** Networks of real care speak HTTPS and keep safe durations; `local-…` ones may differ. */
function requireSafe({
  network,
  parameters,
  validators,
  membership,
  custodian,
}: GenesisDocument): void {
  if (network.startsWith('local-')) return;
  const unsafe = unsafeParameter(parameters);
  if (unsafe) throw new WireError('malformed', `${unsafe} is below its safe bound`);
  for (const { apiUrl } of [...validators, membership, custodian]) {
    if (!apiUrl.startsWith('https://')) throw new WireError('malformed', `${apiUrl} is not HTTPS`);
  }
}

/**
 * Checks a signed genesis: each operator of the document signed its bytes, and each KMS key
 * certified its validator's sessions. Starting at height 0 needs all of them.
 */
export async function verifyGenesis(signed: SignedGenesis): Promise<Genesis> {
  const genesis = parseGenesis(signed.document);
  const signers = new Map<string, string>();
  for (const compact of signed.signatures) signers.set(parseJws(compact, 4096).header.kid, compact);
  for (const validator of genesis.document.validators) {
    const key = fromBase64url(validator.operatorKey);
    const compact = signers.get(thumbprint(key));
    if (!compact) throw new WireError('bad_signature', `${validator.id}'s operator has not signed`);
    const jws = parseJws(compact, 4096);
    const says = fromUtf8(jws.payload);
    const fits = jws.header.typ === genesisJwsType && says === genesisSigningText(genesis);
    if (!fits || !(await verifyJws(jws, key))) {
      throw new WireError('bad_signature', `the signature of ${validator.id}'s operator is wrong`);
    }
  }
  for (const session of genesis.sessions) {
    const seat = genesis.validators.find((one) => one.id === session.body.validator);
    if (!seat || !(await verifySessionCertificate(session, seat.kmsKey))) {
      throw new WireError('bad_signature', `session of ${session.body.validator} is not certified`);
    }
  }
  return genesis;
}

/** What an operator's JWS carries: network and document hash, so that a person can compare it. */
export function genesisSigningText(genesis: Genesis): string {
  const digest = [...genesis.hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return JSON.stringify({ network: genesis.document.network, genesis: digest });
}

function sessionOf(
  network: string,
  validator: string,
  purpose: 'vote' | 'read',
  text: z.infer<typeof sessionText>,
): SessionCertificate {
  const { incarnation, fromHeight, untilHeight } = text;
  const key = fromBase64url(text.key);
  return {
    body: { network, validator, incarnation, purpose, key, fromHeight, untilHeight },
    signature: fromBase64url(text.signature),
  };
}
