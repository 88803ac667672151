/** Copies of a patient's records at hospitals, as the ledger proves them, and who shall hold all. */
import { z } from 'zod';
import { copiersSchema, copiesSchema, erasureSchema } from '../lib/chaincode/copy-values.ts';
import { SdkError } from './errors.ts';
import type { CallControl } from './network-client.ts';
import { parseValue } from './pages.ts';
import type { Patient } from './patient.ts';
import type { CertifiedResult } from './proofs.ts';

const PAGE_ENTRIES = 50;

const itemSchema = z.object({
  recordId: z.string(),
  copies: copiesSchema,
  erasure: erasureSchema.nullable(),
});
const pageSchema = z.object({
  count: z.int(),
  from: z.int(),
  items: z.array(itemSchema),
  chosen: z.array(z.string()),
  copiers: copiersSchema,
  earlier: z.array(z.object({ pseudonym: z.string(), copiers: copiersSchema })),
  erasure: erasureSchema.nullable(),
});
type Page = z.infer<typeof pageSchema>;

/** What hospitals hold, record by record. */
export interface ListedCopies {
  readonly records: readonly z.infer<typeof itemSchema>[];
  /** Hospitals that the patient chose. */
  readonly chosen: readonly string[];
  /** Hospitals that may hold something, of before a rotation too, and have not said it is gone. */
  readonly copiers: readonly { readonly hospital: string }[];
  /** Of everything under this pseudonym, if that was ordered. */
  readonly erasure: z.infer<typeof erasureSchema> | null;
}

/** Under every pseudonym that the patient had: what a rotation left at hospitals is seen, too. */
export async function listCopies(
  patient: Patient,
  control: CallControl = {},
): Promise<ListedCopies> {
  const own = await copiesUnder(patient, {}, control);
  const { chosen, copiers, earlier, erasure } = own.last;
  const records = new Map(own.records.map((one) => [one.recordId, one]));
  for (const { pseudonym } of earlier) {
    const { records: before } = await copiesUnder(patient, { pseudonym }, control);
    // A record that a rotation took on is listed under both: once is enough.
    for (const one of before) if (!records.has(one.recordId)) records.set(one.recordId, one);
  }
  const all = [...copiers, ...earlier.flatMap((one) => one.copiers)];
  const once = new Map(all.map((one) => [one.hospital, one]));
  return { records: [...records.values()], chosen, copiers: [...once.values()], erasure };
}

/** The whole list of one pseudonym, page by page; each is proven, and a gap is an error. */
async function copiesUnder(
  patient: Patient,
  named: { pseudonym?: string },
  control: CallControl,
): Promise<{ records: Page['items']; last: Page }> {
  const { client } = patient.session;
  const records: Page['items'] = [];
  for (;;) {
    const from = records.length;
    const call = { fn: 'copy.list', args: { ...named, from, count: PAGE_ENTRIES } };
    const value = await client.query(call, patient.signer, { ...control, fresh: true });
    const page = parseValue(pageSchema, value, call.fn);
    const due = Math.max(0, Math.min(PAGE_ENTRIES, page.count - from));
    if (page.items.length !== due) throw gap();
    records.push(...page.items);
    if (from + due >= page.count) return { records, last: page };
  }
}

/** Names hospitals, two at least or none, that hold copies of everything. */
export async function chooseHospitals(
  patient: Patient,
  hospitals: readonly string[],
): Promise<CertifiedResult> {
  const call = { fn: 'patient.choose-hospitals', args: { hospitals: [...hospitals] } };
  return patient.session.client.submit(call, patient.signer);
}

function gap(): SdkError {
  return new SdkError('not_proven', 'copy.list left out entries of a list.', {
    nextStep: 'Run the command again; then tell the operators.',
  });
}
