/** RFC 9162 trees: the transparency-dev vectors, and every small list against each other. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, fromBase64, toHex } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';
import {
  appendToFrontier,
  consistencyProof,
  type Frontier,
  frontierRoot,
  inclusionProof,
  merkleLeafHash,
  merkleRoot,
  rootFromInclusion,
  verifyConsistency,
  verifyInclusion,
} from '../../lib/ledger/merkle.ts';

const vectors = join(import.meta.dirname, '../vectors/merkle');
const SIZE_MAX = 20;

interface InclusionVector {
  leafIdx: number;
  treeSize: number;
  root: string;
  leafHash: string;
  proof: string[] | null;
  wantErr: boolean;
}

interface ConsistencyVector {
  size1: number;
  size2: number;
  root1: string;
  root2: string;
  proof: string[] | null;
  wantErr: boolean;
}

function load<T>(kind: string): { name: string; vector: T }[] {
  const folder = join(vectors, kind);
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => ({
      name,
      vector: JSON.parse(readFileSync(join(folder, name), 'utf8')) as T,
    }));
}

function leavesOf(size: number): Uint8Array[] {
  return Array.from({ length: size }, (_, i) => Uint8Array.of(i));
}

describe('RFC 9162 vectors of transparency-dev', () => {
  const inclusion = load<InclusionVector>('inclusion');
  const consistency = load<ConsistencyVector>('consistency');

  it('are all here', () => {
    expect(inclusion.length).toBeGreaterThanOrEqual(22);
    expect(consistency.length).toBeGreaterThanOrEqual(21);
  });

  it.each(inclusion)('inclusion $name', ({ vector }) => {
    const { leafIdx, treeSize, root, leafHash, proof, wantErr } = vector;
    const path = (proof ?? []).map(fromBase64);
    const computed = rootFromInclusion(fromBase64(leafHash), leafIdx, treeSize, path);
    expect(computed !== null && equalBytes(computed, fromBase64(root))).toBe(!wantErr);
  });

  it.each(consistency)('consistency $name', ({ vector }) => {
    const { size1, size2, root1, root2, proof, wantErr } = vector;
    const good = verifyConsistency({
      size1,
      size2,
      root1: fromBase64(root1),
      root2: fromBase64(root2),
      proof: (proof ?? []).map(fromBase64),
    });
    expect(good).toBe(!wantErr);
  });
});

describe('RFC 9162 section 2.1', () => {
  it('hashes the empty list and one entry as 2.1.1 says', () => {
    expect(toHex(merkleRoot([]))).toBe(toHex(sha256(new Uint8Array(0))));
    const leaf = Uint8Array.of(7);
    expect(toHex(merkleRoot([leaf]))).toBe(toHex(merkleLeafHash(leaf)));
  });

  it('proves every entry of every small list, in its place only', () => {
    for (let size = 1; size <= SIZE_MAX; size += 1) {
      const leaves = leavesOf(size);
      const root = merkleRoot(leaves);
      leaves.forEach((leaf, index) => {
        const proof = inclusionProof(leaves, index);
        expect(verifyInclusion({ root, leaf, index, size, proof })).toBe(true);
        for (let other = 0; other < size; other += 1) {
          const good = verifyInclusion({ root, leaf, index: other, size, proof });
          expect(good).toBe(other === index);
        }
      });
    }
  });

  it('proves every prefix of every small list', () => {
    for (let size2 = 1; size2 <= SIZE_MAX; size2 += 1) {
      for (let size1 = 1; size1 <= size2; size1 += 1) {
        const leaves = leavesOf(size2);
        const [root1, root2] = [merkleRoot(leaves.slice(0, size1)), merkleRoot(leaves)];
        const proof = consistencyProof(leaves, size1);
        expect(verifyConsistency({ size1, size2, root1, root2, proof })).toBe(true);
        if (size1 === size2) continue;
        const bent = [...proof.slice(1), proof[0] as Uint8Array, new Uint8Array(32)];
        expect(verifyConsistency({ size1, size2, root1, root2, proof: bent })).toBe(false);
      }
    }
  });

  it('keeps a frontier whose root is that of the list', () => {
    let frontier: Frontier = [];
    const leaves = leavesOf(100);
    leaves.forEach((leaf, size) => {
      expect(toHex(frontierRoot(frontier))).toBe(toHex(merkleRoot(leaves.slice(0, size))));
      frontier = appendToFrontier(frontier, size, leaf);
    });
    expect(() => appendToFrontier(frontier, 99, Uint8Array.of(0))).toThrow('frontier');
  });

  it('refuses a path with any bit changed', () => {
    const leaves = leavesOf(11);
    const root = merkleRoot(leaves);
    fc.assert(
      fc.property(fc.nat(10), fc.nat(), fc.nat(255), (index, at, bit) => {
        const leaf = leaves[index] as Uint8Array;
        const proof = inclusionProof(leaves, index).map((one) => one.slice());
        const sibling = proof[at % proof.length] as Uint8Array;
        sibling[bit >> 3] = (sibling[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(verifyInclusion({ root, leaf, index, size: 11, proof })).toBe(false);
      }),
    );
  });

  it('refuses indices outside the list', () => {
    expect(() => inclusionProof(leavesOf(3), 3)).toThrow('no entry');
    expect(() => consistencyProof(leavesOf(3), 4)).toThrow('no 4');
    const leaf = Uint8Array.of(0);
    const root = merkleRoot([leaf]);
    for (const [index, size] of [
      [1, 1],
      [-1, 1],
      [0, 0],
      [0.5, 1],
    ] as const) {
      expect(verifyInclusion({ root, leaf, index, size, proof: [] })).toBe(false);
    }
  });
});
