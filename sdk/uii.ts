/** Unique identifying information of a patient: any chosen combination, in one canonical form. */
import { z } from 'zod';
import { encodeCbor } from '../lib/wire/codec.ts';
import { SdkError } from './errors.ts';

/** The rule below; frozen with a pseudonym at registration. */
export const UII_VERSION = 1;

export const uiiSchema = z.strictObject({
  nationalId: z.string().max(64).optional(),
  /** As 1961-04-23. */
  birthDate: z.iso.date().optional(),
  name: z.string().max(200).optional(),
  address: z.string().max(400).optional(),
  postcode: z.string().max(32).optional(),
});
export type Uii = z.infer<typeof uiiSchema>;

/**
 * The bytes that a pseudonym is made from. Version 1: Unicode NFKC, case folded, and of each field
 * only letters and digits count (words of name and address keep one blank between them); so
 * "Müller,  ANNA" and "müller anna" are one. Throws `bad_input` where no field holds anything.
 */
export function canonicalUii(uii: Uii): Uint8Array {
  const fields = {
    nationalId: compact(uii.nationalId),
    birthDate: uii.birthDate ?? '',
    name: words(uii.name),
    address: words(uii.address),
    postcode: compact(uii.postcode),
  };
  const present = Object.entries(fields).filter(([, value]) => value !== '');
  if (present.length === 0) {
    throw new SdkError('bad_input', 'Nothing that identifies the patient is given.', {
      nextStep: 'Give at least one of --national-id, --birth-date, --name, --address, --postcode.',
    });
  }
  return encodeCbor({ version: UII_VERSION, fields: Object.fromEntries(present) });
}

function words(text = ''): string {
  const folded = text.normalize('NFKC').toLowerCase().normalize('NFKC');
  return folded
    .split(/[^\p{L}\p{M}\p{N}]+/u)
    .filter(Boolean)
    .join(' ');
}

function compact(text = ''): string {
  return words(text).replaceAll(' ', '');
}
