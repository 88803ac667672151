/** The stored history tree against RFC 9162's proofs of the whole list, and answers made of it. */
import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryBlockStore } from '../../functions/memory/block-store.ts';
import { keepFrontier, keepHistory } from '../../functions/validator/replica/history.ts';
import {
  buildHistoryAnswer,
  encodeHistoryAnswer,
  type HistoryAnswer,
  verifyHistoryAnswer,
} from '../../lib/ledger/history-answer.ts';
import {
  completedNodes,
  type HistoryNode,
  proveHistory,
  siblingsOf,
} from '../../lib/ledger/history-tree.ts';
import {
  appendToFrontier,
  consistencyProof,
  type Frontier,
  inclusionProof,
  merkleRoot,
} from '../../lib/ledger/merkle.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { TestNetwork } from './test-network.ts';

const HEIGHT_MAX = 40;
const LEDGER = 'main';

let network: TestNetwork;
let headers: BlockHeader[];
let hashes: Uint8Array[];
let blocks: MemoryBlockStore;

const read = (nodes: readonly HistoryNode[]) => blocks.history(LEDGER, nodes);

beforeAll(async () => {
  network = await TestNetwork.create('local-history');
  headers = [network.header(0)];
  hashes = [headerHash(headers[0]!)];
  blocks = new MemoryBlockStore();
  for (let height = 1; height <= HEIGHT_MAX; height += 1) {
    const header = network.header(height, {
      previousHash: hashes.at(-1)!,
      historyRoot: merkleRoot(hashes),
    });
    headers.push(header);
    hashes.push(headerHash(header));
    await keepHistory(blocks, header, headerHash(header));
  }
});

describe('the stored history', () => {
  it('gives the proofs of RFC 9162 between any two heights', async () => {
    for (let to = 1; to <= HEIGHT_MAX; to += 1) {
      for (let from = 0; from < to; from += 1) {
        const { consistency, inclusion } = await proveHistory(from, to, read);
        expect(consistency).toEqual(consistencyProof(hashes.slice(0, to), from));
        expect(inclusion).toEqual(inclusionProof(hashes.slice(0, to), from));
      }
    }
  });

  it('reads a number of nodes that grows with the logarithm of the height', async () => {
    const reads: number[] = [];
    const counting = (nodes: readonly HistoryNode[]) => {
      reads.push(nodes.length);
      return Promise.resolve(nodes.map(() => new Uint8Array(32)));
    };
    for (const to of [2 ** 10, 2 ** 20, 2 ** 40 - 1]) await proveHistory(3, to, counting);
    expect(reads.length).toBe(3);
    [10, 20, 40].forEach((bits, at) => expect(reads[at]).toBeLessThanOrEqual(4 * bits));
  });

  it('is the same however often a block is committed again', async () => {
    const before = await proveHistory(5, HEIGHT_MAX, read);
    await keepHistory(blocks, headers[31]!, hashes[31]!);
    expect(await proveHistory(5, HEIGHT_MAX, read)).toEqual(before);
  });

  it('of a replica that starts at a snapshot says what is missing, and goes on', async () => {
    const late = new MemoryBlockStore();
    for (const height of [20, 21, 22, 23, 24]) {
      await keepHistory(late, headers[height]!, hashes[height]!);
    }
    const proof = proveHistory(3, 24, (nodes) => late.history(LEDGER, nodes));
    await expect(proof).rejects.toMatchObject({ code: 'missing_history' });
    expect(siblingsOf(23)).toEqual([
      { level: 1, index: 10 },
      { level: 2, index: 4 },
    ]);
    const block = { height: 23, headerHash: hashes[23]!, previousHash: hashes[22]! };
    expect(completedNodes(block, [undefined, undefined]).map(({ level }) => level)).toEqual([0, 1]);
  });

  it('goes on from the frontier of a snapshot', async () => {
    for (const start of [1, 6, 7, 8, 19]) {
      const late = new MemoryBlockStore();
      const frontier = hashes
        .slice(0, start + 1)
        .reduce<Frontier>((before, hash, size) => appendToFrontier(before, size, hash), []);
      await keepFrontier(late, LEDGER, start + 1, frontier);
      for (let height = start + 1; height <= HEIGHT_MAX; height += 1) {
        await keepHistory(late, headers[height]!, hashes[height]!);
      }
      for (const from of [start + 1, start + 2, HEIGHT_MAX - 1]) {
        const proof = await proveHistory(from, HEIGHT_MAX, (nodes) => late.history(LEDGER, nodes));
        expect(proof).toEqual(await proveHistory(from, HEIGHT_MAX, read));
      }
    }
  });

  it('refuses what is no pair of heights', async () => {
    for (const [from, to] of [
      [3, 3],
      [4, 3],
      [-1, 3],
      [0.5, 3],
    ] as const) {
      await expect(proveHistory(from, to, read)).rejects.toMatchObject({
        code: 'invalid_argument',
      });
    }
  });
});

describe('a history answer', () => {
  async function answer(from: number, to: number): Promise<HistoryAnswer> {
    return buildHistoryAnswer({
      genesis: network.genesis,
      first: headers[from]!,
      header: headers[to]!,
      certificate: await network.certify(headers[to]!),
      sessions: network.genesis.sessions,
      links: [],
      proof: await proveHistory(from, to, read),
    });
  }
  const verdict = async (changed: unknown): Promise<string> =>
    verifyHistoryAnswer(encodeCbor(changed), network.genesis).then(
      () => 'good',
      (error: unknown) => (error as { code: string }).code,
    );

  it.each([
    [0, 1],
    [0, 33],
    [1, 2],
    [7, 8],
    [16, 33],
    [31, 32],
  ])('proves that block %i is an ancestor of block %i', async (from, to) => {
    const bytes = encodeHistoryAnswer(await answer(from, to));
    const verified = await verifyHistoryAnswer(bytes, network.genesis);
    expect(verified.first).toEqual(headers[from]);
    expect(verified.header).toEqual(headers[to]);
  });

  it('refuses a fork, an altered proof and what is not certified', async () => {
    const good = await answer(7, 33);
    expect(await verdict(good)).toBe('good');
    const forked = { ...headers[7]!, time: headers[7]!.time + 1 };
    expect(await verdict({ ...good, first: forked })).toBe('history_forked');
    const rewritten = { ...headers[7]!, historyRoot: hashes[3]! };
    expect(await verdict({ ...good, first: rewritten })).toBe('history_forked');
    const bent = (proof: Uint8Array[]) => proof.map((one, at) => (at === 0 ? hashes[0]! : one));
    expect(await verdict({ ...good, consistency: bent(good.consistency) })).toBe('history_forked');
    expect(await verdict({ ...good, inclusion: bent(good.inclusion) })).toBe('history_forked');
    expect(await verdict({ ...good, inclusion: good.inclusion.slice(1) })).toBe('history_forked');
    expect(await verdict({ ...good, consistency: [] })).toBe('history_forked');
    const votes = good.certificate.votes.slice(1);
    const thin = { ...good, certificate: { ...good.certificate, votes } };
    expect(await verdict(thin)).toBe('too_few_votes');
    expect(await verdict({ ...good, header: headers[34]! })).toBe('certificate_wrong_height');
    expect(await verdict({ ...good, ledger: 'case-1' })).toBe('wrong_ledger');
    expect(await verdict({ ...good, format: 'carequorum-history-2' })).toBe('unsupported_format');
  });

  it('refuses a certified header that dropped the earlier block from its history', async () => {
    const other = network.header(33, { historyRoot: merkleRoot(hashes.slice(1, 34)) });
    const certificate = await network.certify(other);
    const good = await answer(7, 33);
    expect(await verdict({ ...good, header: other, certificate })).toBe('history_forked');
  });
});
