/** Consistency proofs between two heights of a long chain, from the stored subtrees. */
import { sha256 } from '../lib/crypto/hash.ts';
import {
  completedNodes,
  type HistoryNode,
  proveHistory,
  siblingsOf,
  type StoredHistoryNode,
} from '../lib/ledger/history-tree.ts';
import { cpuUs, median } from './report.ts';

export interface HistoryFigures {
  readonly heights: number;
  /** CPU time of what a commit stores, microseconds a block, and nodes a block. */
  readonly commitUs: number;
  readonly nodesPerBlock: number;
  readonly proveUs: number;
  /** Nodes read for one pair of proofs, in one round trip; hashes that they hold. */
  readonly nodesRead: number;
  readonly proofHashes: number;
}

const PROOFS = 100;
const HASH_BYTES = 32;

export async function benchHistory(heights: number): Promise<HistoryFigures> {
  const store = new CompactNodes(heights);
  let [previousHash, written] = [sha256(Uint8Array.of(0)), 0];
  const started = cpuUs();
  for (let height = 1; height < heights; height += 1) {
    const headerHash = sha256(previousHash);
    const siblings = store.read(siblingsOf(height));
    const nodes = completedNodes({ height, headerHash, previousHash }, siblings);
    for (const node of nodes) store.put(node);
    written += nodes.length;
    previousHash = headerHash;
  }
  const commitUs = (cpuUs() - started) / heights;
  const [costs, reads, hashes] = [[] as number[], [] as number[], [] as number[]];
  for (let round = 1; round <= PROOFS; round += 1) {
    const before = cpuUs();
    const proof = await proveHistory(
      Math.floor((heights * round) / (PROOFS + 2)),
      heights,
      (asked) => {
        reads.push(asked.length);
        return Promise.resolve(store.read(asked));
      },
    );
    costs.push(cpuUs() - before);
    hashes.push(proof.consistency.length + proof.inclusion.length);
  }
  return {
    heights,
    commitUs,
    nodesPerBlock: written / heights,
    proveUs: median(costs),
    nodesRead: Math.max(...reads),
    proofHashes: Math.max(...hashes),
  };
}

/** All nodes of a chain in one buffer a level. */
class CompactNodes {
  readonly #levels: Uint8Array[];

  constructor(heights: number) {
    this.#levels = Array.from(
      { length: 48 },
      (_, level) => new Uint8Array(HASH_BYTES * Math.floor(heights / 2 ** level)),
    );
  }

  put({ level, index, hash }: StoredHistoryNode): void {
    this.#levels[level]?.set(hash, index * HASH_BYTES);
  }

  read(nodes: readonly HistoryNode[]): Uint8Array[] {
    return nodes.map(({ level, index }) => {
      const from = index * HASH_BYTES;
      return (this.#levels[level] as Uint8Array).subarray(from, from + HASH_BYTES);
    });
  }
}
