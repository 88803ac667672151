/** Schemas of the small fields that recur in every format. */
import { z } from 'zod';

const bytesOf = (length: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `expected ${length} bytes`,
  );

/** A SHA-256 value. */
export const hashField = bytesOf(32);
/** An uncompressed P-256 point. */
export const publicKeyField = bytesOf(65);
/** An ECDSA P-256 signature, r ‖ s with low s. */
export const signatureField = bytesOf(64);
/** Bytes up to a bound. */
export const bytesField = (bytesMax: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length <= bytesMax,
    `expected at most ${bytesMax} bytes`,
  );
/** A block height; well inside the safe integers. */
export const heightField = z
  .int()
  .min(0)
  .max(2 ** 48);
export const viewField = z
  .int()
  .min(0)
  .max(2 ** 48);
/** Milliseconds since 1970-01-01T00:00:00Z. */
export const timeField = z
  .int()
  .min(0)
  .max(2 ** 48);
export const validatorIdField = z.string().regex(/^(?!all$)[a-z0-9-]{2,16}$/);
export const networkField = z.string().regex(/^[a-z0-9-]{3,32}$/);
/** `main`, or the id of a case ledger. */
export const ledgerField = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
/**
 * A correlation id: a random UUID (RFC 9562, version 4), made for one request. Nothing else is
 * taken, so that no client puts a name or a number of a person into everybody's logs.
 */
export const correlationIdField = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
/** A transaction id: 64 lower-case hex digits. */
export const transactionIdField = z.string().regex(/^[0-9a-f]{64}$/);
/** An RFC 7638 thumbprint in base64url. */
export const thumbprintField = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
