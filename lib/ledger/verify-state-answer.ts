/** Verifies answers to queries: a checklist of named steps, and a view of proven keys only. */
import { equalBytes } from '../crypto/bytes.ts';
import { verifyP256 } from '../crypto/p256.ts';
import { encodeCbor } from '../wire/codec.ts';
import type { Genesis } from '../wire/genesis.ts';
import type { BlockHeader } from '../wire/header.ts';
import { sessionCovers } from '../wire/session.ts';
import { ReceiptError } from './errors.ts';
import { genesisHeader } from './genesis-header.ts';
import { parseFormat } from './receipt.ts';
import { checkCertified, type FollowedSet, type KnownSet, knownSetOf } from './set-chain.ts';
import { answerFormat, decodeStateAnswer, type Freshness } from './state-answer.ts';
import { freshnessSigningBytes, type StateAnswer, stateAnswerSchema } from './state-answer.ts';
import { verifyStateProof } from './state-proof.ts';
import type { StateView } from './state-view.ts';
import { checkLedger, checkNetwork, setInForce, type VerifyOptions } from './verify-receipt.ts';

export interface AnswerOptions extends VerifyOptions {
  /** The nonce of the query; a statement for another question is refused. */
  nonce?: Uint8Array | undefined;
  /** State root of height 0, from the chaincode's genesis writes; needed at height 0 alone. */
  genesisStateRoot?: Uint8Array | undefined;
}

/** State as far as an answer proves it, at one certified head. */
export class ProvenView implements StateView {
  readonly header: BlockHeader;
  readonly freshness: Freshness;
  /** The set in force at the header, and how many seats it has. */
  readonly set: KnownSet;
  readonly seats: number;
  readonly #values: ReadonlyMap<string, Uint8Array | null>;

  constructor(
    { header, freshness }: Pick<StateAnswer, 'header' | 'freshness'>,
    set: FollowedSet,
    values: ReadonlyMap<string, Uint8Array | null>,
  ) {
    this.header = header;
    this.freshness = freshness;
    this.set = knownSetOf(set);
    this.seats = set.validators.length;
    this.#values = values;
  }

  /** Throws `not_proven` on a key that the answer says nothing about: silence is not absence. */
  async get(key: string): Promise<Uint8Array | undefined> {
    const value = this.#values.get(key);
    if (value === undefined) throw new ReceiptError('not_proven', 'the answer omits a key');
    return value ?? undefined;
  }
}

/**
 * Checks an answer, encoded or decoded, against a genesis that the caller trusts. Throws
 * ReceiptError; its code names the step that failed.
 */
export async function verifyStateAnswer(
  answer: StateAnswer | Uint8Array,
  genesis: Genesis,
  options: AnswerOptions = {},
): Promise<ProvenView> {
  const parsed = parseAnswer(answer);
  checkNetwork(parsed, genesis);
  checkLedger(parsed);
  const set = await setInForce(genesis, parsed, options);
  await checkHead(parsed, genesis, set, options);
  await checkFreshness(parsed, set, options);
  return new ProvenView(parsed, set, checkEntries(parsed));
}

function parseAnswer(answer: StateAnswer | Uint8Array): StateAnswer {
  return answer instanceof Uint8Array
    ? decodeStateAnswer(answer)
    : parseFormat(stateAnswerSchema, answerFormat, answer);
}

/** Step: the header is certified, or is the one of height 0. */
async function checkHead(
  { header, certificate }: StateAnswer,
  genesis: Genesis,
  set: FollowedSet,
  { genesisStateRoot, verify }: AnswerOptions,
): Promise<void> {
  if ((certificate === null) !== (header.height === 0)) {
    throw new ReceiptError('not_certified', 'genesis alone, and it only, has no certificate');
  }
  if (certificate) return checkCertified(genesis, header, certificate, set, verify);
  if (!genesisStateRoot) {
    throw new ReceiptError('genesis_state_unknown', 'the state of height 0 is not known here');
  }
  if (set.fromHeight > 0) throw new ReceiptError('header_wrong_set', 'set changes before genesis');
  const expected = encodeCbor(genesisHeader(genesis, genesisStateRoot));
  if (!equalBytes(encodeCbor(header), expected)) {
    throw new ReceiptError('wrong_genesis_header', 'not the header of this genesis');
  }
}

/** Step: a validator that may answer says, for this question, that the header is its head. */
async function checkFreshness(
  { genesisHash, ledger, header, freshness }: StateAnswer,
  set: FollowedSet,
  { nonce, verify = verifyP256 }: AnswerOptions,
): Promise<void> {
  if (nonce && !equalBytes(nonce, freshness.nonce)) {
    throw new ReceiptError('wrong_nonce', 'the answer is to another question');
  }
  const { validator, height, signature } = freshness;
  const seat = set.validators.find((one) => one.id === validator);
  if (!seat || seat.suspended || height !== header.height) {
    throw new ReceiptError('freshness_invalid', `${validator} cannot speak for this head`);
  }
  const bytes = freshnessSigningBytes({ ...freshness, genesisHash, ledger });
  const wanted = { validator, incarnation: seat.incarnation, purpose: 'read' as const, height };
  for (const { body } of set.sessions) {
    if (!sessionCovers(body, wanted)) continue;
    if (await verify(body.key, bytes, signature)) return;
  }
  throw new ReceiptError('freshness_invalid', `not signed by a read key of ${validator}`);
}

/** Step: each key once, each proven under the header's state root. */
function checkEntries({ header, entries }: StateAnswer): Map<string, Uint8Array | null> {
  const values = new Map<string, Uint8Array | null>();
  for (const { key, value, proof } of entries) {
    if (values.has(key)) throw new ReceiptError('duplicate_key', 'a key is answered twice');
    if (!verifyStateProof(header.stateRoot, key, value, proof)) {
      throw new ReceiptError('proof_invalid', 'a value is not proven under the state root');
    }
    values.set(key, value);
  }
  return values;
}
