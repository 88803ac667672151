/** Execution of transactions and queries: pure, deterministic, denied unless the table allows. */
import { MAIN_LEDGER } from '../wire/ledger.ts';
import type { StateView } from '../ledger/state-view.ts';
import type { Transaction } from '../wire/transaction.ts';
import { actorOf } from './actor.ts';
import { type CaseLedger, caseLedger } from './case-ledger.ts';
import { cells } from './cells.ts';
import { Draft, type LedgerEvent, type Reader, readerOf, type Write } from './draft.ts';
import { isPatientErased } from './erasure.ts';
import { ChaincodeError, type ChaincodeErrorCode } from './errors.ts';
import type {
  Actor,
  ChaincodeContext,
  ChaincodeFunction,
  PlainValue,
  QueryContext,
} from './functions.ts';
import { keys } from './keys.ts';
import type { Role } from './roles.ts';
import { seenKeys } from './seen.ts';
import { functionNamed } from './table.ts';
import { chaincodeVersions, requireVersion } from './versions.ts';

export type { LedgerEvent, Write } from './draft.ts';

export type Execution =
  | { status: 'COMMITTED'; writes: Write[]; events: LedgerEvent[]; value: PlainValue }
  | { status: 'INVALID'; code: ChaincodeErrorCode };

/**
 * Executes a transaction whose signatures were verified with `resolveKeys` at block time, and
 * whose addressee, validity and nonce were checked. The value names its function, so that no
 * receipt can pass for one of another function. A refusal writes nothing.
 * @throws Error on corrupt state or a version that this code is not: execution must stop
 */
export async function execute(
  view: StateView,
  transaction: Transaction,
  context: ChaincodeContext,
): Promise<Execution> {
  requireVersion(context);
  const { id, fn, args, signer } = transaction;
  const { time, height, ledger } = context;
  const draft = new Draft(view, { transaction: id, time, height });
  try {
    const wanted = find(transaction, context);
    if (wanted.kind !== 'transaction') throw new ChaincodeError('unknown_function');
    const parsed = parseArgs(wanted, args);
    const people = peopleOf(draft.reader, context);
    if ((await caseOf(people, ledger))?.closed) throw new ChaincodeError('case_closed');
    const actor = await actorOf(people, signer, time, wanted);
    requireRole(wanted, actor.role);
    await requireNotErased(people, actor);
    requireNotRecovered(wanted, actor);
    const answer = await wanted.run(parsed, { actor, draft, context, fn, transactionId: id });
    const value = { fn, ...(answer as Record<string, PlainValue>) };
    return { status: 'COMMITTED', writes: draft.writes(), events: draft.events, value };
  } catch (error) {
    if (error instanceof ChaincodeError) return { status: 'INVALID', code: error.code };
    throw error;
  }
}

/**
 * Answers a signed query. The server runs it over committed state and proves every key that it
 * read; the client runs the same over the proofs, so it need not trust the server's answer.
 * @throws ChaincodeError why it is refused; nothing that was read may then be given out
 */
export async function query(
  view: StateView,
  transaction: Transaction,
  { network, ledger, height, time, genesisHash, verify, main }: QueryContext,
): Promise<PlainValue> {
  const reader = readerOf(view);
  const people = peopleOf(reader, { ledger, main });
  const parameters = await people.get(cells.parameters);
  if (!parameters) throw new Error('the parameters are missing of state');
  const context = { network, ledger, height, time, genesisHash, verify, main, parameters };
  requireVersion(context);
  const wanted = find(transaction, context);
  if (wanted.kind !== 'query') throw new ChaincodeError('unknown_function');
  const parsed = parseArgs(wanted, transaction.args);
  await caseOf(people, ledger);
  const actor = await actorOf(people, transaction.signer, context.time, wanted);
  requireRole(wanted, actor.role);
  return wanted.run(parsed, { actor, reader, context });
}

/**
 * Keys known from the transaction alone, each once: those of the signer, of replay protection
 * and of the arguments. Hints for one prefetch only: execution reads whatever else it needs.
 */
export function readHints(transaction: Transaction): string[] {
  const { fn, args, signer, kind } = transaction;
  const replay = kind === 'transaction' ? [...seenKeys(transaction), keys.seenCursor] : [];
  const wanted = functionNamed(fn, chaincodeVersions.max);
  const parsed = wanted?.schema.safeParse(args);
  const named = wanted && parsed?.success ? wanted.hints(parsed.data, signer) : [];
  return [...new Set([...ownSignerHints(transaction), ...replay, ...named])];
}

/** The keys that tell whether a request may be ordered: few, whatever it asks for. */
export function orderHints(transaction: Transaction): string[] {
  return [...ownSignerHints(transaction), ...seenKeys(transaction)];
}

/** A case ledger has nothing of its own about who signs. */
function ownSignerHints(transaction: Transaction): string[] {
  return transaction.ledger === MAIN_LEDGER ? signerHints(transaction) : [];
}

/** What the main ledger says of the signer of a transaction, whichever ledger it is for. */
export function signerHints({ signer }: Pick<Transaction, 'signer'>): string[] {
  return signer.kind === 'key'
    ? [keys.identity(signer.kid)]
    : [keys.owner(signer.ownerKid), keys.authority];
}

/** Who is who: the own state of the main ledger, or the one that a case ledger pins. */
function peopleOf(
  own: Reader,
  { ledger, main }: Pick<ChaincodeContext, 'ledger' | 'main'>,
): Reader {
  if ((main === null) !== (ledger === MAIN_LEDGER)) {
    throw new Error('a case ledger, and it only, is executed with a state of the main ledger');
  }
  return main ? readerOf(main) : own;
}

/** The case ledger, as the main one has it. @throws ChaincodeError `unknown_case` */
async function caseOf(people: Reader, ledger: string): Promise<CaseLedger | null> {
  if (ledger === MAIN_LEDGER) return null;
  const found = await caseLedger(people, ledger);
  if (!found) throw new ChaincodeError('unknown_case');
  return found;
}

function find(transaction: Transaction, context: ChaincodeContext): ChaincodeFunction {
  const found = functionNamed(transaction.fn, context.parameters.chaincodeVersion);
  const place = context.ledger === MAIN_LEDGER ? 'main' : 'case';
  const isHere = (found?.ledger ?? 'main') === place && transaction.ledger === context.ledger;
  if (!found || !isHere || found.kind !== transaction.kind) {
    throw new ChaincodeError('unknown_function');
  }
  return found;
}

/** A pseudonym whose data is erased does nothing more; the patient still sees its history. */
async function requireNotErased(people: Reader, actor: Actor): Promise<void> {
  if (actor.kind !== 'patient' || actor.pseudonym === null) return;
  if (await isPatientErased(people, actor.pseudonym)) throw new ChaincodeError('patient_erased');
}

/** What a recovery gave out must not be used as before: the patient rotates first. */
function requireNotRecovered(wanted: ChaincodeFunction, actor: Actor): void {
  if (actor.kind !== 'patient' || !actor.mustRotate || wanted.isForRecovered) return;
  throw new ChaincodeError('rotation_forced');
}

function parseArgs(wanted: ChaincodeFunction, args: unknown): unknown {
  const parsed = wanted.schema.safeParse(args);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new ChaincodeError('bad_arguments', `${where || 'arguments'}: ${issue?.message ?? ''}`);
}

function requireRole(wanted: ChaincodeFunction, role: Role): void {
  if (!wanted.roles.includes(role)) throw new ChaincodeError('role_denied');
}
