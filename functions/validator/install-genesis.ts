/** Starting a ledger from a verified genesis document: the document, its state, the first record. */

import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import type { PageStore, ReplicaStore } from '../../lib/ports.ts';
import type { Genesis, SignedGenesis } from '../../lib/wire/genesis.ts';
import { headerHash } from '../../lib/wire/header.ts';
import type { GenesisBlock } from './genesis-block.ts';
import type { GenesisStore } from './ports.ts';
import { initialReplicaBytes } from './replica/initial.ts';

export interface GenesisPorts {
  readonly genesis: GenesisStore;
  readonly pages: PageStore;
  readonly replicas: ReplicaStore;
}

/** The document that is installed in the end: this one, or another that was there before. */
export async function acceptGenesis(
  { genesis }: Pick<GenesisPorts, 'genesis'>,
  signed: SignedGenesis,
): Promise<SignedGenesis> {
  const before = await genesis.load();
  if (before === null && (await genesis.save(signed))) return signed;
  return before ?? (await genesis.load()) ?? signed;
}

export interface FirstRecord {
  readonly genesis: Genesis;
  readonly block: GenesisBlock;
  /** The validator whose replica this is. */
  readonly self: string;
  /** It may have voted before, and must not under the incarnation of its seat in genesis. */
  readonly hasForgotten: boolean;
}

/** Pages, then the record that refers to them; repeated after a crash, it ends the same. */
export async function initialiseReplica(
  { pages, replicas }: Pick<GenesisPorts, 'pages' | 'replicas'>,
  { genesis, block, self, hasForgotten }: FirstRecord,
): Promise<void> {
  if ((await replicas.version(MAIN_LEDGER)) !== null) return;
  const { header, update } = block;
  await pages.putPages(MAIN_LEDGER, update.pages);
  const hash = headerHash(header);
  const seat = genesis.validators.find((one) => one.id === self);
  const incarnation = seat?.incarnation ?? null;
  const state = initialReplicaBytes({
    ...{ genesis, self, header, headerHash: hash },
    session: hasForgotten ? null : incarnation,
    forgot: hasForgotten ? incarnation : null,
  });
  const head = { height: 0, headerHash: hash, header, certificate: null, votedHeight: 0 };
  // False means that another call was first with the same document.
  await replicas.save(MAIN_LEDGER, null, state, head);
}
