/** Verifies answers to queries: a checklist of named steps, and a view of proven keys only. */
import { equalBytes } from '../crypto/bytes.ts';
import { verifyP256 } from '../crypto/p256.ts';
import { encodeCbor } from '../wire/codec.ts';
import type { Genesis } from '../wire/genesis.ts';
import type { BlockHeader } from '../wire/header.ts';
import { MAIN_LEDGER, sessionHeight } from '../wire/ledger.ts';
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
  /** On a case ledger, what is proven of the main one. */
  readonly main: ProvenView | null;
  readonly #values: ReadonlyMap<string, Uint8Array | null>;

  constructor(
    { header, freshness }: Pick<StateAnswer, 'header' | 'freshness'>,
    main: ProvenView | null,
    set: FollowedSet,
    values: ReadonlyMap<string, Uint8Array | null>,
  ) {
    this.header = header;
    this.freshness = freshness;
    this.main = main;
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
  if (parsed.header.ledger === MAIN_LEDGER) return (await ofMain(parsed, genesis, options)).view;
  const { main, speakers } = await beside(parsed, genesis, options);
  checkNetwork(parsed, genesis);
  checkLedger(parsed);
  // A set that was followed for the case may be older than what is known of the main ledger.
  const { set, votedAt } = await setInForce(genesis, parsed, options);
  const { header, certificate } = parsed;
  requireCertificate(parsed);
  if (certificate) {
    await checkCertified(genesis, header, certificate, set, options.verify, votedAt);
  } else if (!equalBytes(header.validatorsHash, set.hash)) {
    throw new ReceiptError('header_wrong_set', 'the header is not of the set in force');
  }
  await checkFreshness(parsed, speakers, options);
  return new ProvenView(parsed, main, set, checkEntries(parsed));
}

async function ofMain(
  parsed: StateAnswer,
  genesis: Genesis,
  options: AnswerOptions,
): Promise<{ view: ProvenView; set: FollowedSet }> {
  if (parsed.main) throw new ReceiptError('malformed', 'an answer of the main ledger stands alone');
  checkNetwork(parsed, genesis);
  checkLedger(parsed);
  const { set } = await setInForce(genesis, parsed, options);
  await checkHead(parsed, genesis, set, options);
  await checkFreshness(parsed, set, options);
  return { view: new ProvenView(parsed, null, set, checkEntries(parsed)), set };
}

/** Step: on a case ledger, the same validator says how the main ledger stands; who it is, too. */
async function beside(
  { main, freshness }: StateAnswer,
  genesis: Genesis,
  options: AnswerOptions,
): Promise<{ main: ProvenView; speakers: FollowedSet }> {
  if (!main) throw new ReceiptError('malformed', 'an answer of a case ledger needs the main one');
  const parsed = parseAnswer(main);
  if (parsed.header.ledger !== MAIN_LEDGER || parsed.freshness.validator !== freshness.validator) {
    throw new ReceiptError('wrong_ledger', 'what stands beside it is not of the main ledger');
  }
  const { view, set } = await ofMain(parsed, genesis, options);
  return { main: view, speakers: set };
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
  requireCertificate({ header, certificate });
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

function requireCertificate({
  header,
  certificate,
}: Pick<StateAnswer, 'header' | 'certificate'>): void {
  if ((certificate === null) === (header.height === 0)) return;
  throw new ReceiptError('not_certified', 'genesis alone, and it only, has no certificate');
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
  const { incarnation } = seat;
  const at = sessionHeight(ledger, height);
  const wanted = { validator, incarnation, purpose: 'read' as const, height: at };
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
