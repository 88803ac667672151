/** The validator sets of the main ledger, followed from genesis: own set changes, then what peers show. */

import { z } from 'zod';
import { equalBytes, toHex } from '../../lib/crypto/bytes.ts';
import type { VerifySignature } from '../../lib/crypto/p256.ts';
import { ReceiptError } from '../../lib/ledger/errors.ts';
import { followSets, type FollowedSet } from '../../lib/ledger/set-chain.ts';
import { chainOf, type StoredLink, storedLinksSchema } from '../../lib/ledger/stored-link.ts';
import { limits } from '../../lib/limits.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { askPeer, decodePart, type Peer, type PeerDeps } from './peer-client.ts';

/** Set changes of one answer as CBOR in base64url, at most. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const answerSchema = z.object({ sets: z.string() });

export interface SetBookStart {
  readonly genesis: Genesis;
  /** Set changes that are kept here. */
  readonly links: readonly StoredLink[];
  readonly verify?: VerifySignature;
}

export class SetBook {
  readonly #start: SetBookStart;
  #links: readonly StoredLink[];
  #followed: readonly FollowedSet[];

  private constructor(start: SetBookStart, followed: readonly FollowedSet[]) {
    this.#start = start;
    this.#links = start.links;
    this.#followed = followed;
  }

  /** Throws `ReceiptError` where what is kept here does not follow from genesis. */
  static async open(start: SetBookStart): Promise<SetBook> {
    const { genesis, links, verify } = start;
    return new SetBook(start, await followSets(genesis, chainOf(links), verify));
  }

  get links(): readonly StoredLink[] {
    return this.#links;
  }

  /** The set that votes on a height, as far as it is known here. */
  setAt(height: number): FollowedSet {
    return this.#followed.findLast((set) => set.fromHeight <= height) as FollowedSet;
  }

  /** The newest set of this hash: on a case ledger a header names the set that votes on it. */
  named(hash: Uint8Array): FollowedSet | undefined {
    return this.#followed.findLast((set) => equalBytes(set.hash, hash));
  }

  /** Takes set changes that follow those known. Throws `ReceiptError` where they do not. */
  async learn(more: readonly StoredLink[]): Promise<void> {
    const after = this.#links.at(-1)?.fromHeight ?? 0;
    const fresh = more.filter(({ fromHeight }) => fromHeight > after);
    if (fresh.length === 0) return;
    const { genesis, verify } = this.#start;
    const links = [...this.#links, ...fresh];
    const followed = await followSets(genesis, chainOf(links), verify);
    if (!followed.every(hasItsSessions)) {
      throw new ReceiptError('bad_session', 'not one vote key of each seat');
    }
    // Another height may have been asked for meanwhile and have brought more.
    if (followed.length <= this.#followed.length) return;
    this.#links = links.map((one) => ({ ...one, fromHeight: one.link.header.height + 1 }));
    this.#followed = followed;
  }

  /** Asks a peer for the set changes after those known, and follows them. */
  async learnFrom(deps: PeerDeps, peer: Peer): Promise<void> {
    for (;;) {
      const after = this.#links.at(-1)?.fromHeight ?? 0;
      const answer = await askPeer(deps, peer, answerSchema, {
        path: `/v1/sets?after=${after}`,
        query: null,
        bytesMax: ANSWER_BYTES_MAX,
      });
      const links = decodePart(storedLinksSchema, answer.sets, ANSWER_BYTES_MAX);
      const known = this.#links.length;
      await this.learn(links);
      if (links.length < limits.setLinksMax || this.#links.length === known) return;
    }
  }
}

/**
 * The ledger has one vote session for each seat of a set. With one left out, true certificates
 * would not hold here; with one more, votes that no replica counts would.
 */
function hasItsSessions({ validators, sessions }: FollowedSet): boolean {
  return validators.every(({ id }) => {
    const own = sessions.filter(({ body }) => body.validator === id && body.purpose === 'vote');
    // One that was there before comes again with each link.
    return new Set(own.map(({ body }) => toHex(body.key))).size === 1;
  });
}
