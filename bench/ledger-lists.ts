/** Pages of a patient's history in a ledger of a given size: the query, its proofs, cold and warm. */
import { query } from '../lib/chaincode/execute.ts';
import { listCells, cells } from '../lib/chaincode/cells.ts';
import type { HistoryEntry } from '../lib/chaincode/values.ts';
import { countSchema } from '../lib/chaincode/values.ts';
import { toBase64url } from '../lib/crypto/bytes.ts';
import { sha256 } from '../lib/crypto/hash.ts';
import { verifyP256 } from '../lib/crypto/p256.ts';
import { PageCache } from '../lib/ledger/page-cache.ts';
import { proveKeys, type TreeBase, updateTree } from '../lib/ledger/state-tree.ts';
import { RecordingView, TreeView } from '../lib/ledger/state-view.ts';
import { encodeCbor } from '../lib/wire/codec.ts';
import { defaultParameters } from '../lib/wire/parameters.ts';
import type { Transaction } from '../lib/wire/transaction.ts';
import type { MemoryPages } from '../test/ledger/memory-pages.ts';
import { cpuUs, median } from './report.ts';

export interface ListFigures {
  /** Entries of the patient's history. */
  readonly entries: number;
  /** CPU time of one page of 50 with its proofs, microseconds, warm. */
  readonly oldestUs: number;
  readonly newestUs: number;
  /** The same page without any cache: stored pages read, and round trips one after the other. */
  readonly coldPages: number;
  readonly coldRoundTrips: number;
  readonly provenKeys: number;
}

const PAGE_ENTRIES = 50;
const ENTRIES = 5_000;
const ROUNDS = 20;
const NETWORK = 'local-bench';
const text32 = (seed: string): string => toBase64url(sha256(new TextEncoder().encode(seed)));
const pseudonym = text32('patient');
const ownerKid = text32('owner');

/** Adds a patient with a long history to the state, and reads pages of it. */
export async function benchLists(base: TreeBase, pages: MemoryPages): Promise<ListFigures> {
  const head = await withPatient(base, pages);
  const cache = new PageCache(2 ** 28);
  const measure = async (from: number): Promise<number> => {
    const costs: number[] = [];
    for (let round = -1; round < ROUNDS; round += 1) {
      const started = cpuUs();
      await listPage(head, pages, from, cache);
      if (round >= 0) costs.push(cpuUs() - started);
    }
    return median(costs);
  };
  const [pagesBefore, tripsBefore] = [pages.pagesRead, pages.roundTrips];
  // One answer has a cache of its own: the proofs find the pages that the query has read.
  const provenKeys = await listPage(head, pages, ENTRIES / 2, new PageCache(2 ** 26));
  const coldPages = pages.pagesRead - pagesBefore;
  const coldRoundTrips = pages.roundTrips - tripsBefore;
  return {
    entries: ENTRIES,
    oldestUs: await measure(0),
    newestUs: await measure(ENTRIES - PAGE_ENTRIES),
    coldPages,
    coldRoundTrips,
    provenKeys,
  };
}

async function withPatient(base: TreeBase, pages: MemoryPages): Promise<TreeBase> {
  const height = base.height + 1;
  const list = listCells.history(pseudonym);
  const entry: HistoryEntry = {
    time: 1,
    height: 1,
    transaction: 'ab'.repeat(32),
    fn: 'access.request',
    actor: { kid: text32('doctor'), role: 'doctor', subject: null, hospital: 'hospital-a' },
    recordId: null,
    permissionId: null,
    team: null,
    categories: [],
    purpose: null,
    decision: 'permit',
    reason: null,
    study: null,
  };
  const owner = { pseudonym, publicKey: new Uint8Array(65), since: { time: 1, height: 1 } };
  const update = await updateTree(
    base,
    height,
    [
      { key: cells.owner(ownerKid).key, value: encodeCbor(owner) },
      { key: cells.parameters.key, value: encodeCbor(defaultParameters) },
      { key: list.keys.count, value: encodeCbor(countSchema.parse(ENTRIES)) },
      ...Array.from({ length: ENTRIES }, (_, at) => ({
        key: list.keys.entry(at),
        value: encodeCbor({ ...entry, time: at }),
      })),
    ],
    pages,
  );
  pages.put(update.pages);
  return { height, root: update.root };
}

/** What `POST /v1/queries` does for `history.list`, without signatures; gives the keys proven. */
async function listPage(
  head: TreeBase,
  pages: MemoryPages,
  from: number,
  cache: PageCache,
): Promise<number> {
  const view = new RecordingView(new TreeView(head, pages, { cache }));
  const asked = {
    kind: 'query',
    fn: 'history.list',
    ledger: 'main',
    args: { from, count: PAGE_ENTRIES },
    signer: { kind: 'patient', ownerKid, tcertKid: ownerKid, tcert: new Uint8Array() },
  } as unknown as Transaction;
  const { height } = head;
  const genesisHash = new Uint8Array(32);
  const where = { network: NETWORK, ledger: 'main', height, time: 1 };
  const value = await query(view, asked, { ...where, genesisHash, verify: verifyP256, main: null });
  const { items, count } = value as unknown as { items: HistoryEntry[]; count: number };
  const isWhole = count === ENTRIES && items.every(({ time }, at) => time === from + at);
  if (!isWhole || items.length !== PAGE_ENTRIES) throw new Error('a page has a gap');
  return (await proveKeys(head, view.keys(), pages, { cache })).length;
}
