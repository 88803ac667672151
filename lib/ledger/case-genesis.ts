/** Height 0 of a case ledger: what opened it on the main ledger determines it, so nobody votes on it. */
import { equalBytes, fromHex } from '../crypto/bytes.ts';
import { taggedHash } from '../crypto/hash.ts';
import { encodeCbor } from '../wire/codec.ts';
import type { Genesis } from '../wire/genesis.ts';
import { type BlockHeader, headerHash, type Pin } from '../wire/header.ts';
import { frontierRoot, merkleRoot } from './merkle.ts';
import { emptyRoot } from './state-hash.ts';

/** What height 0 takes over from the block of the main ledger that opened the case ledger. */
type Opening = Pick<BlockHeader, 'proposer' | 'time' | 'validatorsHash' | 'paramsHash'> & {
  pin: Pin;
};

/** `ledger` is the id of the transaction that opened it, `opening` the header of its block. */
export function caseGenesisHeader(
  genesis: Genesis,
  ledger: string,
  opening: BlockHeader,
): BlockHeader {
  const pin = { height: opening.height, hash: headerHash(opening) };
  return headerFrom(genesis, ledger, { ...opening, pin });
}

/** Whether a header has the form of height 0 of its case ledger, by the block that it pins. */
export function isCaseGenesis(genesis: Genesis, header: BlockHeader): boolean {
  const { ledger, pin } = header;
  if (!pin || !/^[0-9a-f]{64}$/.test(ledger)) return false;
  const wanted = headerFrom(genesis, ledger, { ...header, pin });
  return equalBytes(encodeCbor(header), encodeCbor(wanted));
}

function headerFrom(
  genesis: Genesis,
  ledger: string,
  { pin, proposer, time, validatorsHash, paramsHash }: Opening,
): BlockHeader {
  return {
    protocolVersion: 1,
    ...{ ledger, height: 0, view: 0, proposer, time, pin },
    // The network, the transaction that opened the case, and that one's block.
    previousHash: taggedHash('case-genesis', genesis.hash, fromHex(ledger), pin.hash),
    transactionsRoot: merkleRoot([]),
    resultsRoot: merkleRoot([]),
    stateRoot: emptyRoot,
    ...{ validatorsHash, nextValidatorsHash: validatorsHash, paramsHash },
    historyRoot: frontierRoot([]),
  };
}
