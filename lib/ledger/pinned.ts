/** Which height of the main ledger says who votes on a header of a case ledger. */
import { equalBytes } from '../crypto/bytes.ts';
import type { Genesis } from '../wire/genesis.ts';
import { type BlockHeader, headerHash } from '../wire/header.ts';
import { MAIN_LEDGER } from '../wire/ledger.ts';
import { isCaseGenesis } from './case-genesis.ts';
import { ReceiptError } from './errors.ts';

/** What a proof says of a header's place: on a case ledger, the header before it, above height 0. */
export interface Placed {
  header: BlockHeader;
  parent: BlockHeader | null;
}

/**
 * Step: a block of a case ledger is voted on by the set in force at the main height that the block
 * before it pins; on the main ledger, at its own height. Throws `wrong_pin`, `wrong_parent` and
 * `wrong_genesis_header`.
 */
export function votingHeight(genesis: Genesis, { header, parent }: Placed): number {
  const { ledger, height, pin } = header;
  if (ledger === MAIN_LEDGER) {
    if (pin) throw new ReceiptError('wrong_pin', 'the main ledger pins nothing');
    if (parent) throw new ReceiptError('wrong_parent', 'only a case ledger needs a parent');
    return height;
  }
  if (!pin) throw new ReceiptError('wrong_pin', 'a block of a case ledger pins the main one');
  if (height === 0) {
    if (parent) throw new ReceiptError('wrong_parent', 'height 0 has no parent');
    requireGenesis(genesis, header);
    return pin.height;
  }
  const isParent =
    parent?.ledger === ledger &&
    parent.height === height - 1 &&
    equalBytes(headerHash(parent), header.previousHash);
  if (!isParent) throw new ReceiptError('wrong_parent', 'the header before it is another');
  const before = parent.pin;
  if (!before || pin.height < before.height) {
    throw new ReceiptError('wrong_pin', 'what is pinned goes back');
  }
  if (parent.height === 0) requireGenesis(genesis, parent);
  return before.height;
}

function requireGenesis(genesis: Genesis, header: BlockHeader): void {
  if (isCaseGenesis(genesis, header)) return;
  throw new ReceiptError('wrong_genesis_header', 'not height 0 of such a case ledger');
}
