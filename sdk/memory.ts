/** What a client remembers of a network between runs, so that nobody shows it an older or other past. */
import { z } from 'zod';
import { fromBase64url, toBase64url, toHex } from '../lib/crypto/bytes.ts';
import { decodeWith, encodeCbor } from '../lib/wire/codec.ts';
import { hashField, heightField, timeField } from '../lib/wire/fields.ts';
import type { Genesis } from '../lib/wire/genesis.ts';
import { headerSchema } from '../lib/wire/header.ts';
import { membersSchema } from './addresses.ts';

const MEMORY_BYTES_MAX = 32 * 1024;

const memorySchema = z.strictObject({
  /** The newest header that is tied to all that were seen before it. */
  header: headerSchema,
  /** Height of the newest block that was verified: no older state is read. */
  seenHeight: heightField,
  /** The newest validator set that was seen. */
  set: z.strictObject({
    fromHeight: heightField,
    validatorsHash: hashField,
    sinceTime: timeField,
  }),
  /** Who takes part and where, as the ledger said last; without it, as genesis says. */
  members: membersSchema.optional(),
});
export type NetworkMemory = z.infer<typeof memorySchema>;

const fileSchema = z.strictObject({
  format: z.literal('carequorum-memory-1'),
  genesisHash: z.string().max(64),
  /** Canonical CBOR, base64url. */
  memory: z.string().max(2 * MEMORY_BYTES_MAX),
});

export function formatMemory(genesis: Genesis, memory: NetworkMemory): string {
  const file: z.infer<typeof fileSchema> = {
    format: 'carequorum-memory-1',
    genesisHash: toHex(genesis.hash),
    memory: toBase64url(encodeCbor(memory)),
  };
  return `${JSON.stringify(file)}\n`;
}

/** Null where the text is damaged or of another network: then nothing is remembered. */
export function parseMemory(genesis: Genesis, text: string): NetworkMemory | null {
  try {
    const file = fileSchema.parse(JSON.parse(text));
    if (file.genesisHash !== toHex(genesis.hash)) return null;
    return decodeWith(memorySchema, fromBase64url(file.memory), MEMORY_BYTES_MAX);
  } catch {
    return null;
  }
}
