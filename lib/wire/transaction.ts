/** Signed transactions and queries: JWS compact (RFC 7515), ES256, over a small JSON object. */
import { z } from 'zod';
import { toHex, utf8, fromUtf8 } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { parseJws, type ParsedJws, verifyJws } from '../crypto/jws.ts';
import { verifyP256, type VerifySignature } from '../crypto/p256.ts';
import { limits } from '../limits.ts';
import { parseWith } from './codec.ts';
import { WireError } from './errors.ts';
import { ledgerField, networkField, thumbprintField, timeField } from './fields.ts';

/** `typ` of each JWS: one kind of signed object can never be taken for another. */
export const jwsTypes = {
  transaction: 'cq-tx',
  ownedTransaction: 'cq-owner-tx',
  query: 'cq-query',
  ownedQuery: 'cq-owner-query',
} as const;

/** Readers of JSON recurse, and the stack that is left differs: a bound makes all agree. */
const nestingMax = 32;

const argsSchema = z.record(z.string().max(64), z.json());

export const requestSchema = z.strictObject({
  network: networkField,
  ledger: ledgerField,
  fn: z
    .string()
    .regex(/^[a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*$/)
    .max(64),
  args: argsSchema,
  /** 16 random bytes, base64url: (signing key, nonce) counts once. */
  nonce: z.string().regex(/^[A-Za-z0-9_-]{22}$/),
  issuedAt: timeField,
  expiresAt: timeField,
  /** Only in a patient's inner JWS: thumbprint of the one-time certificate's key. */
  tcert: thumbprintField.optional(),
});
/** What a transaction or query asks; times in milliseconds since the epoch. */
export type SignedRequest = z.infer<typeof requestSchema>;

export type Signer =
  /** A key that the ledger knows: clinician, operator, custodian, membership service. */
  | { kind: 'key'; kid: string }
  /** A patient: owner key of a pseudonym, inside a one-time certificate of the membership service. */
  | { kind: 'patient'; ownerKid: string; tcertKid: string; tcert: Uint8Array };

export interface Transaction extends SignedRequest {
  /** Tagged SHA-256 of the innermost signing input, hex: the same whatever the signature bytes. */
  id: string;
  kind: 'transaction' | 'query';
  signer: Signer;
  /** The compact JWS as received; never re-encoded. */
  compact: string;
  outer: ParsedJws;
  inner: ParsedJws | null;
}

/** Parses without checking signatures. Throws WireError or CryptoError with a stable code. */
export function parseTransaction(compact: string): Transaction {
  const outer = parseJws(compact, limits.transactionBytesMax);
  const typ = outer.header.typ;
  if (typ === jwsTypes.transaction || typ === jwsTypes.query) {
    const kind = typ === jwsTypes.transaction ? 'transaction' : 'query';
    return outer.header.x5c ? parseOwned(compact, outer, kind) : parseDirect(compact, outer, kind);
  }
  throw new WireError(
    'malformed',
    `typ ${typ} is neither ${jwsTypes.transaction} nor ${jwsTypes.query}`,
  );
}

function parseDirect(compact: string, outer: ParsedJws, kind: Transaction['kind']): Transaction {
  const request = parseRequest(outer.payload);
  if (request.tcert !== undefined) throw new WireError('malformed', 'tcert without x5c');
  const signer: Signer = { kind: 'key', kid: outer.header.kid };
  return { ...request, id: requestId(outer), kind, signer, compact, outer, inner: null };
}

function parseOwned(compact: string, outer: ParsedJws, kind: Transaction['kind']): Transaction {
  const inner = parseJws(fromUtf8(outer.payload), limits.transactionBytesMax);
  const wantedTyp = kind === 'transaction' ? jwsTypes.ownedTransaction : jwsTypes.ownedQuery;
  if (inner.header.typ !== wantedTyp)
    throw new WireError('malformed', `inner typ is not ${wantedTyp}`);
  if (inner.header.x5c) throw new WireError('malformed', 'the inner JWS carries a certificate');
  const request = parseRequest(inner.payload);
  const certificate = outer.header.x5c?.[0];
  if (!certificate || request.tcert !== outer.header.kid) {
    throw new WireError('malformed', 'the inner JWS does not name the outer key');
  }
  const signer: Signer = {
    kind: 'patient',
    ownerKid: inner.header.kid,
    tcertKid: outer.header.kid,
    tcert: derOf(certificate),
  };
  return { ...request, id: requestId(inner), kind, signer, compact, outer, inner };
}

/** Checks window and addressee. `now` is a clock at the edge, the block's time in a block. */
export function checkRequest(
  request: SignedRequest,
  wanted: { network: string; ledger: string; now: number; skewMsMax: number },
): void {
  if (request.network !== wanted.network)
    throw new WireError('wrong_network', `for ${request.network}`);
  if (request.ledger !== wanted.ledger)
    throw new WireError('wrong_ledger', `for ${request.ledger}`);
  if (request.expiresAt - request.issuedAt > limits.validityMsMax) {
    throw new WireError('validity_too_long', 'valid for more than 15 minutes');
  }
  if (request.expiresAt <= wanted.now) throw new WireError('expired', 'sign it anew and resend');
  if (request.issuedAt > wanted.now + wanted.skewMsMax) {
    throw new WireError('not_yet_valid', 'issued in the future: check the clock');
  }
}

/** Verifies every signature of a parsed transaction with keys found by the caller. */
export async function verifyTransaction(
  transaction: Transaction,
  keys: { outer: Uint8Array; inner: Uint8Array | null },
  verify: VerifySignature = verifyP256,
): Promise<boolean> {
  if (!(await verifyJws(transaction.outer, keys.outer, verify))) return false;
  if (!transaction.inner) return keys.inner === null;
  return keys.inner !== null && verifyJws(transaction.inner, keys.inner, verify);
}

/** `x5c` holds standard base64 (RFC 7515, section 4.1.6); only its canonical form is taken. */
function derOf(text: string): Uint8Array {
  const der = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  if (btoa(String.fromCharCode(...der)) !== text) throw new WireError('not_canonical', 'x5c');
  return der;
}

function requestId(jws: ParsedJws): string {
  return toHex(taggedHash('transaction', jws.signingInput));
}

/** Strict JSON: what is parsed must be what a canonical writer would have written. */
function parseRequest(payload: Uint8Array): SignedRequest {
  let value: unknown;
  const text = fromUtf8(payload);
  if (nestingOf(text) > nestingMax) throw new WireError('malformed', 'nested too deeply');
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new WireError('malformed', 'payload is not JSON', { cause });
  }
  if (JSON.stringify(value) !== text) {
    throw new WireError('not_canonical', 'payload has blanks, duplicate keys or odd escapes');
  }
  return parseWith(requestSchema, value);
}

/** How many brackets of a JSON text are open at once, at most. */
function nestingOf(text: string): number {
  let deepest = 0;
  let open = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (isInString && character === '\\') at += 1;
    else if (character === '"') isInString = !isInString;
    else if (isInString) continue;
    else if (character === '[' || character === '{') open += 1;
    else if (character === ']' || character === '}') open -= 1;
    deepest = Math.max(deepest, open);
  }
  return deepest;
}

/** The payload bytes of a request: what JSON.stringify writes. */
export function encodeRequest(request: SignedRequest): Uint8Array {
  return utf8(JSON.stringify(request));
}
