/** A case ledger over a world of the main ledger: its own state and heights, people from main. */
import { toBase64url } from '../../lib/crypto/bytes.ts';
import { ChaincodeError } from '../../lib/chaincode/errors.ts';
import { execute, type Execution, query } from '../../lib/chaincode/execute.ts';
import type { ChaincodeContext, PlainValue } from '../../lib/chaincode/functions.ts';
import { genesisHeader } from '../../lib/ledger/genesis-header.ts';
import { inclusionProof, merkleRoot } from '../../lib/ledger/merkle.ts';
import type { StateView } from '../../lib/ledger/state-view.ts';
import { encodeCbor } from '../../lib/wire/codec.ts';
import { type BlockHeader, headerHash } from '../../lib/wire/header.ts';
import { encodeResult } from '../../lib/wire/result.ts';
import type { SignedRequest, Transaction } from '../../lib/wire/transaction.ts';
import { quorumSize, validatorsHash } from '../../lib/wire/validators.ts';
import { voteSigningBytes } from '../../lib/wire/vote.ts';
import { type Acting, valueOf, type World } from './world.ts';

type Args = SignedRequest['args'];

export class CaseWorld implements StateView {
  readonly main: World;
  readonly ledger: string;
  readonly state: Map<string, Uint8Array>;
  height: number;

  constructor(main: World, ledger: string, state = new Map<string, Uint8Array>(), height = 1) {
    this.main = main;
    this.ledger = ledger;
    this.state = state;
    this.height = height;
  }

  /** The same, with a main ledger of its own. */
  fork(): CaseWorld {
    return new CaseWorld(this.main.fork(), this.ledger, new Map(this.state), this.height);
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.state.get(key);
  }

  get context(): ChaincodeContext {
    const { ledger, height, main } = this;
    return { ...main.context, ledger, height, main };
  }

  async submit(who: Acting, fn: string, args: Args = {}): Promise<Execution> {
    return this.run({ ...this.main.transaction(who, fn, args), ledger: this.ledger });
  }

  async run(transaction: Transaction): Promise<Execution> {
    const execution = await execute(this, transaction, this.context);
    if (execution.status === 'COMMITTED') {
      for (const { key, value } of execution.writes) {
        if (value) this.state.set(key, value);
        else this.state.delete(key);
      }
    }
    this.height += 1;
    this.main.time += 1;
    return execution;
  }

  async ask(who: Acting, fn: string, args: Args = {}): Promise<PlainValue> {
    const transaction = this.main.transaction(who, fn, args, 'query');
    return query(this, { ...transaction, ledger: this.ledger }, this.context);
  }

  /** The answer, or the code of the refusal. */
  async asked(who: Acting, fn: string, args: Args = {}): Promise<PlainValue> {
    try {
      return await this.ask(who, fn, args);
    } catch (error) {
      if (error instanceof ChaincodeError) return error.code;
      throw error;
    }
  }

  /** A block of this ledger with one result, as `case.close` takes it. */
  async anchor(execution: Execution, overrides: Partial<BlockHeader> = {}): Promise<Args> {
    const { network } = this.main;
    const id = 'a'.repeat(64);
    const value = valueOf(execution);
    const result = encodeResult({ id, status: 'COMMITTED', code: '', value });
    const results = [encodeResult({ id, status: 'INVALID', code: 'x', value: null }), result];
    const header: BlockHeader = {
      ...genesisHeader(network.genesis, new Uint8Array(32)),
      ...{ ledger: this.ledger, height: this.height, time: this.main.time },
      resultsRoot: merkleRoot(results),
      ...overrides,
    };
    const wanted = {
      ...{ phase: 'commit' as const, height: header.height, view: 0, hash: headerHash(header) },
    };
    const { validators, hash: genesisHash } = network.genesis;
    const voted = {
      genesisHash,
      ledger: header.ledger,
      validatorsHash: validatorsHash(validators),
    };
    const bytes = voteSigningBytes(voted, wanted);
    const signers = network.validators.slice(0, quorumSize(validators.length));
    const votes = [];
    for (const one of signers) {
      votes.push({ validator: one.id, signature: await one.vote.sign(bytes) });
    }
    return {
      header: toBase64url(encodeCbor(header)),
      certificate: toBase64url(encodeCbor({ ...wanted, votes })),
      result: toBase64url(result),
      ...{ index: 1, size: results.length },
      proof: inclusionProof(results, 1).map(toBase64url),
    };
  }
}
