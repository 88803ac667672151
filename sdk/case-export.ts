/** A case as one file: every note, vote and change with its receipt, and the chain to the anchor. */
import { z } from 'zod';
import { fromBase64url, toBase64url, toHex } from '../lib/crypto/bytes.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import { sealedSchema } from '../lib/records/sealed.ts';
import { decodeReceipt } from '../lib/ledger/receipt.ts';
import { encodeCbor } from '../lib/wire/codec.ts';
import type { BlockHeader } from '../lib/wire/header.ts';
import { caseEntry, caseList, type CasePerson } from './case-data.ts';
import { openCase } from './case-reading.ts';
import { SdkError } from './errors.ts';
import { problemError } from './http.ts';
import { getCaseHeader } from './validator-api.ts';

const receiptText = z.string().max(2_000_000);

/** Whoever has this file reads the case: it is as secret as what is in it. */
export const caseExportSchema = z.strictObject({
  format: z.literal('carequorum-case-export-1'),
  network: z.string(),
  /** Hexadecimal. */
  genesisHash: z.string(),
  /** Milliseconds. */
  exportedAt: z.int(),
  caseId: z.string(),
  /** Receipts of the main ledger: that the case was opened, and that it was anchored. */
  opened: receiptText,
  closed: receiptText,
  /** Receipts of the case ledger, up to the anchor. */
  receipts: z.array(receiptText).max(100_000),
  /** Headers of its blocks that no receipt brings, as canonical CBOR in base64url. */
  headers: z.array(z.string().max(16_384)).max(100_000),
  /** Seeds of the keys that the member has, and what is sealed to them. */
  seeds: z.array(z.tuple([z.int().min(1), z.string().max(64)])).max(10_000),
  notes: z
    .array(
      z.strictObject({
        noteId: z.string().max(64),
        sealed: sealedSchema(recordsBounds.caseNoteBytesMax),
      }),
    )
    .max(100_000),
});
export type CaseExport = z.infer<typeof caseExportSchema>;

const IN_FLIGHT = 4;

/** Everything of a closed case that this member may have. Throws `bad_input` while it is open. */
export async function exportCase(
  person: CasePerson,
  caseId: string,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<CaseExport> {
  const { session } = person;
  const { closed } = await caseEntry(person, caseId);
  if (closed === null) {
    throw new SdkError('bad_input', 'The case is not closed: nothing anchors it yet.', {
      nextStep: 'The attending clinician closes it: `carequorum case close`.',
    });
  }
  const contents = await openCase(person, caseId);
  const log = await caseList(person, caseId, 'case.log');
  const upTo = [...contents.notes, ...log].filter(({ height }) => height <= closed.anchor.height);
  const ids = upTo.map(({ transaction }) => transaction);
  const receipts: Uint8Array[] = [];
  let done = 0;
  await eachOf(ids, async (id, index) => {
    receipts[index] = (await session.client.certified(id, { ledger: caseId })).receipt;
    done += 1;
    onProgress(done, ids.length);
  });
  const main = async (id: string) => toBase64url((await session.client.certified(id)).receipt);
  return {
    format: 'carequorum-case-export-1',
    network: session.client.name,
    genesisHash: toHex(session.network.genesis.hash),
    exportedAt: session.clock.now(),
    caseId,
    opened: await main(caseId),
    closed: await main(closed.transaction),
    receipts: receipts.map(toBase64url),
    headers: await missingHeaders(person, caseId, { receipts, until: closed.anchor.height }),
    seeds: [...contents.seeds].map(([generation, seed]) => [generation, toBase64url(seed)]),
    notes: [...contents.sealed].map(([noteId, sealed]) => ({ noteId, sealed })),
  };
}

/** Headers of blocks that hold refusals alone: the chain needs them, and no list names them. */
async function missingHeaders(
  { session }: CasePerson,
  caseId: string,
  { receipts, until }: { receipts: readonly Uint8Array[]; until: number },
): Promise<string[]> {
  const known = headersOf(receipts);
  const missing = Array.from({ length: until + 1 }, (_, height) => height).filter(
    (height) => !known.has(height),
  );
  const found: string[] = [];
  const { client } = session;
  await eachOf(missing, async (height, index) => {
    found[index] = await client.anyValidator(async (validator) => {
      const options = { transport: client.transport };
      const answer = await getCaseHeader(validator, { height, ledger: caseId }, options);
      if (answer.outcome === 'refused') throw problemError(answer.answer, validator.id);
      return answer.header;
    });
  });
  return found;
}

/** Headers that receipts bring along, by height: of their own blocks, and of those before. */
export function headersOf(receipts: readonly Uint8Array[]): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const add = (header: BlockHeader | null): void => {
    if (header && !found.has(header.height)) found.set(header.height, encodeCbor(header));
  };
  for (const bytes of receipts) {
    const { header, parent } = decodeReceipt(bytes);
    add(header);
    add(parent);
  }
  return found;
}

async function eachOf<T>(items: readonly T[], work: (item: T, index: number) => Promise<void>) {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next; index < items.length; index = next) {
      next += 1;
      await work(items[index] as T, index);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

/** Seeds of an export, by generation. */
export function seedsOf({ seeds }: CaseExport): Map<number, Uint8Array> {
  return new Map(seeds.map(([generation, seed]) => [generation, fromBase64url(seed)]));
}
