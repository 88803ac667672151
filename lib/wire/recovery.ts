/** How a validator that lost its tables gets the genesis document back from its peers. */
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../crypto/bytes.ts';
import { limits } from '../limits.ts';
import { decodeWith, encodeCbor } from './codec.ts';
import { ledgerField, networkField, validatorIdField } from './fields.ts';
import { signedGenesisSchema } from './genesis.ts';

const sender = { network: networkField, ledger: ledgerField, from: validatorIdField };

/** Outside of consensus envelopes: whoever asks knows no genesis hash that it could name. */
export const recoveryMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('genesis-wanted'), ...sender }),
  /** Believed for its signatures alone, whoever sent it. */
  z.strictObject({ type: z.literal('genesis'), ...sender, signed: signedGenesisSchema }),
]);
export type RecoveryMessage = z.infer<typeof recoveryMessageSchema>;

/** Queue body: base64url text of canonical CBOR. */
export function encodeRecovery(message: RecoveryMessage): string {
  return toBase64url(encodeCbor(message));
}

export function decodeRecovery(body: string): RecoveryMessage {
  return decodeWith(recoveryMessageSchema, fromBase64url(body), limits.recoveryBytesMax);
}
