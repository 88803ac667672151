/**
 * A verified snapshot: a certified header, what ties the heights after it to it, and a walk over all
 * pages of its state. Nothing of it is believed that a hash does not lead to.
 */
import { z } from 'zod';
import { equalBytes } from '../crypto/bytes.ts';
import type { VerifySignature } from '../crypto/p256.ts';
import { limits } from '../limits.ts';
import { bytesField, hashField } from '../wire/fields.ts';
import type { Genesis } from '../wire/genesis.ts';
import { headerHash, headerSchema } from '../wire/header.ts';
import { quorumSize } from '../wire/validators.ts';
import { certificateSchema } from '../wire/vote.ts';
import { ledgerBounds } from './bounds.ts';
import { LedgerError, ReceiptError } from './errors.ts';
import { appendToFrontier, type Frontier, frontierRoot } from './merkle.ts';
import type { PageCache } from './page-cache.ts';
import { checkCertified, type FollowedSet } from './set-chain.ts';
import { stateProofSchema, verifyStateProof } from './state-proof.ts';
import type { Slot } from './tree-node.ts';
import { type PageReader, type TreeBase, TreeWalk } from './tree-walk.ts';

const governedEntrySchema = z.strictObject({
  value: bytesField(limits.stateValueBytesMax),
  proof: stateProofSchema,
});

export const snapshotManifestSchema = z.strictObject({
  header: headerSchema,
  certificate: certificateSchema,
  /** The header before it: its state says what governs the height after the snapshot. */
  parent: headerSchema,
  /** RFC 9162 compact range over the header hashes before the snapshot's own. */
  frontier: z.array(hashField).max(ledgerBounds.merkleProofMax),
  /** Values of the governed keys in the parent's state, in their order, proven. */
  governed: z.array(governedEntrySchema).max(8),
});
export type SnapshotManifest = z.infer<typeof snapshotManifestSchema>;

/** What a replica knows once a manifest is checked. */
export interface CheckedManifest {
  hash: Uint8Array;
  /** Over the headers up to the snapshot's own. */
  frontier: Frontier;
}

/**
 * Named steps: certified by its set, the parent is its parent, the frontier gives its history, and
 * the governed values are in the parent's state. Throws `ReceiptError`.
 */
export async function checkManifest(
  genesis: Genesis,
  manifest: SnapshotManifest,
  set: FollowedSet,
  governedKeys: readonly string[],
  verify?: VerifySignature,
): Promise<CheckedManifest> {
  const { header, certificate, parent, governed } = manifest;
  await checkCertified(genesis, header, certificate, set, verify);
  // Replicas take no head with more votes than that from each other.
  if (certificate.votes.length !== quorumSize(set.validators.length)) {
    throw new ReceiptError('malformed', 'more votes than a quorum');
  }
  const isParent =
    parent.height === header.height - 1 && equalBytes(headerHash(parent), header.previousHash);
  if (!isParent) throw new ReceiptError('malformed', 'the parent is another header');
  const hash = headerHash(header);
  const frontier = frontierAfter(manifest, hash);
  const areProven =
    governed.length === governedKeys.length &&
    governedKeys.every((key, at) => {
      const entry = governed[at];
      return entry && verifyStateProof(parent.stateRoot, key, entry.value, entry.proof);
    });
  if (!areProven) throw new ReceiptError('proof_invalid', 'what governs is not in the state');
  return { hash, frontier };
}

function frontierAfter({ header, frontier }: SnapshotManifest, hash: Uint8Array): Frontier {
  if (!equalBytes(frontierRoot(frontier), header.historyRoot)) {
    throw new ReceiptError('malformed', 'the frontier is of another history');
  }
  try {
    return appendToFrontier(frontier, header.height, hash);
  } catch (cause) {
    throw new ReceiptError('malformed', 'the frontier is of another height', { cause });
  }
}

/** The walk goes part by part, a part for each first byte of a key hash: so it can be resumed. */
export const SNAPSHOT_PARTS = 256;

/** Nodes that are loaded at once, and the levels that a key hash allows. */
const BATCH_NODES = 256;
const LEVELS_MAX = 64;
const HEIGHT_DIGITS = 15;

export interface PartWalk {
  reader: PageReader;
  cache?: PageCache | undefined;
  /** Pages that were read since the last call hold what their parents say: they may be kept. */
  onChecked: () => Promise<void>;
  /** Whether time is up. */
  isOver: () => boolean;
}

interface Place {
  slot: Slot;
  depth: number;
}

/**
 * Reads and checks every node of one part of a version; false where time was up before its end.
 * Throws `missing_page` and `corrupt_page`: the hashes bound the walk, so a tree cannot be endless.
 */
export async function walkPart(base: TreeBase, part: number, walk: PartWalk): Promise<boolean> {
  const root = await new TreeWalk(walk.reader, walk.cache).open(base, [], { neighbours: false });
  await walk.onChecked();
  let places: Place[] = [];
  const nibbles = [part >> 4, part & 15];
  const first = root?.node?.kind === 'node' ? root.node.slots[nibbles[0] as number] : null;
  if (first?.kind === 'leaf' && nibbles[1] === 0) places = [{ slot: first, depth: 1 }];
  if (first?.kind === 'node') {
    await load(base, [{ slot: first, depth: 1 }], walk);
    const second = first.node?.kind === 'node' ? first.node.slots[nibbles[1] as number] : null;
    if (second) places = [{ slot: second, depth: 2 }];
  }
  while (places.length > 0) {
    if (walk.isOver()) return false;
    const batch = places.splice(-BATCH_NODES);
    await load(base, batch, walk);
    for (const { slot, depth } of batch) places.push(...childrenOf(slot, depth));
  }
  return true;
}

async function load(base: TreeBase, places: readonly Place[], walk: PartWalk): Promise<void> {
  for (const { slot, depth } of places) {
    const isYounger = Number(slot.source.slice(0, HEIGHT_DIGITS)) > base.height;
    if (isYounger || depth > LEVELS_MAX) {
      throw new LedgerError('corrupt_page', 'a node refers to what cannot be below it');
    }
  }
  await new TreeWalk(walk.reader, walk.cache).load(places.map(({ slot }) => slot));
  await walk.onChecked();
}

function childrenOf({ node }: Slot, depth: number): Place[] {
  if (node?.kind !== 'node') return [];
  return node.slots.flatMap((slot) => (slot ? [{ slot, depth: depth + 1 }] : []));
}
