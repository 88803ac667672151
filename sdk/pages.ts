/** Lists of the ledger as typed values: whole lists page by page, none with a gap. */
import { z } from 'zod';
import {
  historySchema,
  inboxSchema,
  permissionSchema,
  recordSchema,
} from '../lib/chaincode/values.ts';
import { SdkError } from './errors.ts';
import type { CallControl, NetworkClient } from './network-client.ts';
import type { RequestSigner } from './signing.ts';

/** Entries of one page: proofs of that many keys and of what they name fit one answer. */
const PAGE_ENTRIES = 50;

export const itemSchemas = {
  history: historySchema,
  inbox: inboxSchema,
  permission: permissionSchema,
  record: recordSchema,
} as const;

export interface PageQuery<T> {
  readonly fn: string;
  readonly args?: Readonly<Record<string, z.core.util.JSONType>>;
  readonly item: z.ZodType<T>;
  readonly signer: RequestSigner;
  /** @default `main` */
  readonly ledger?: string;
}

/** All entries of a list from `from` on; each page is proven, and a gap is an error. */
export async function allEntries<T>(
  client: NetworkClient,
  query: PageQuery<T>,
  control: CallControl & { fresh?: boolean; from?: number } = {},
): Promise<T[]> {
  const schema = z.object({ count: z.int(), from: z.int(), items: z.array(query.item) });
  const first = control.from ?? 0;
  const items: T[] = [];
  for (;;) {
    const from = first + items.length;
    const args = { ...query.args, from, count: PAGE_ENTRIES };
    const { fn, ledger } = query;
    const call = { fn, args, ...(ledger === undefined ? {} : { ledger }) };
    const value = await client.query(call, query.signer, control);
    const page = parseValue(schema, value, query.fn);
    const due = Math.max(0, Math.min(PAGE_ENTRIES, page.count - from));
    if (page.items.length !== due) throw gap(query.fn);
    items.push(...page.items);
    if (from + due >= page.count) return items;
  }
}

/** A value that our own chaincode computed; another form means another version. */
export function parseValue<T>(schema: z.ZodType<T>, value: unknown, fn: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new SdkError('bad_answer', `${fn} answers in another form than this version knows.`, {
    nextStep: 'Update this program.',
    details: { issue: parsed.error.issues[0]?.message, path: parsed.error.issues[0]?.path },
  });
}

function gap(fn: string): SdkError {
  return new SdkError('not_proven', `${fn} left out entries of a list.`, {
    nextStep: 'Run the command again; then tell the operators.',
  });
}
