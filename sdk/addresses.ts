/** Where the validators are reached: by genesis at first, then as the ledger proves it. */
import { z } from 'zod';
import { fromBase64url, toHex } from '../lib/crypto/bytes.ts';
import { limits } from '../lib/limits.ts';
import { validatorIdField } from '../lib/wire/fields.ts';
import type { Genesis } from '../lib/wire/genesis.ts';
import { validatorSetSchema, validatorsHash } from '../lib/wire/validators.ts';
import type { Network } from './network-file.ts';
import type { ValidatorAddress } from './validator-pool.ts';

export const membersSchema = z.strictObject({
  /** Hash of the set that these are, hexadecimal. */
  setHash: z.string().regex(/^[0-9a-f]{64}$/),
  validators: z
    .array(z.strictObject({ id: validatorIdField, apiUrl: z.string().max(512) }))
    .min(1)
    .max(limits.validatorsMax),
});
/** Who takes part, and the address that each gave the ledger. */
export type KnownMembers = z.infer<typeof membersSchema>;

/** What is needed of the value of `network.validators`; the first four make a seat. */
const membersValue = z.object({
  validators: z.array(
    z.object({
      id: z.string(),
      kmsKey: z.string(),
      incarnation: z.int(),
      suspended: z.boolean(),
      apiUrl: z.string(),
    }),
  ),
});

export function genesisMembers({ document, validators }: Genesis): KnownMembers {
  return {
    setHash: toHex(validatorsHash(validators)),
    validators: document.validators.map(({ id, apiUrl }) => ({ id, apiUrl })),
  };
}

/** From the value of `network.validators`. Throws ZodError where it has another shape. */
export function ledgerMembers(value: unknown): KnownMembers {
  const { validators } = membersValue.parse(value);
  const seats = validators.map(({ id, kmsKey, incarnation, suspended }) => {
    return { id, kmsKey: fromBase64url(kmsKey), incarnation, suspended };
  });
  return membersSchema.parse({
    setHash: toHex(validatorsHash(validatorSetSchema.parse(seats))),
    validators: validators.map(({ id, apiUrl }) => ({ id, apiUrl })),
  });
}

const webUrl = z.url({ protocol: /^https?$/ });

/**
 * Where members are reached; one without an address that may be used is left out. Nothing is
 * trusted for its address. Where the network file names another one, that counts, unless the ledger
 * has moved the member since genesis.
 */
export function addressesOf(members: KnownMembers, network: Network): ValidatorAddress[] {
  const { document } = network.genesis;
  const isLocal = document.network.startsWith('local-');
  return members.validators.flatMap(({ id, apiUrl }) => {
    const first = document.validators.find((one) => one.id === id);
    const own = network.validators.find((one) => one.id === id);
    if (own && (!first || first.apiUrl === apiUrl)) return [own];
    const isUsable = webUrl.safeParse(apiUrl).success && (isLocal || apiUrl.startsWith('https:'));
    return isUsable ? [{ id, url: apiUrl.replace(/\/+$/, '') }] : [];
  });
}
