/** The header of height 0, which the genesis document determines; it has no certificate. */
import type { Genesis } from '../wire/genesis.ts';
import type { BlockHeader } from '../wire/header.ts';
import { MAIN_LEDGER } from '../wire/ledger.ts';
import { parametersHash } from '../wire/parameters.ts';
import { validatorsHash } from '../wire/validators.ts';
import { LedgerError } from './errors.ts';
import { frontierRoot, merkleRoot } from './merkle.ts';
import { HASH_BYTES } from './state-hash.ts';

/** `stateRoot` is that of the tree of the chaincode's genesis writes. */
export function genesisHeader(genesis: Genesis, stateRoot: Uint8Array): BlockHeader {
  const first = genesis.validators[0];
  if (!first) throw new LedgerError('invalid_argument', 'a genesis without validators');
  const set = validatorsHash(genesis.validators);
  return {
    protocolVersion: 1,
    ledger: MAIN_LEDGER,
    height: 0,
    view: 0,
    proposer: first.id,
    previousHash: new Uint8Array(HASH_BYTES),
    transactionsRoot: merkleRoot([]),
    resultsRoot: merkleRoot([]),
    stateRoot,
    time: genesis.document.createdAt,
    validatorsHash: set,
    nextValidatorsHash: set,
    paramsHash: parametersHash(genesis.document.parameters),
    historyRoot: frontierRoot([]),
    pin: null,
  };
}
