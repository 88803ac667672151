/** Carries out what operators decided: the members, their keys, the parameters. */
import { equalBytes, fromBase64url, toBase64url } from '../crypto/bytes.ts';
import { thumbprint } from '../crypto/p256.ts';
import { limits } from '../limits.ts';
import {
  type Parameters,
  parametersConflict,
  parametersHash,
  parametersSchema,
  unsafeParameter,
} from '../wire/parameters.ts';
import { faultyMax, type Validator, type ValidatorSet } from '../wire/validators.ts';
import { authorityOf, dropAuthority, replaceAuthority } from './authority.ts';
import { cells } from './cells.ts';
import type { BundleText, Change, Newcomer, ParametersPatch } from './change-schema.ts';
import type { Draft, Reader } from './draft.ts';
import { ChaincodeError } from './errors.ts';
import type { ChaincodeContext } from './functions.ts';
import {
  endIdentity,
  entryOf,
  hospitalOf,
  membersHash,
  operatorParty,
  putSet,
  readSeatKeys,
  type SeatKeys,
  seatOf,
  setOf,
  startIdentity,
  validatorParty,
  withSeat,
} from './seats.ts';

const VALIDATORS_MIN = 4;
/** Incarnations that one change may skip: they can then never run out. */
const INCARNATION_LEAP_MAX = 1_000;

/** A change in the making: where it is written, and the height that it governs first. */
interface Making {
  draft: Draft;
  context: ChaincodeContext;
  actsAt: number;
}

const setChanges: readonly string[] = ['add', 'remove', 'replace', 'replace-key', 'reinstate'];

/** Whether a change is one of validators: those act one at a time. */
export function isSetChange({ kind }: Change): boolean {
  return setChanges.includes(kind);
}

export function isParameterChange({ kind }: Change): boolean {
  return kind === 'parameters' || kind === 'chaincode';
}

function isAuthorityChange({ kind }: Change): boolean {
  return kind === 'authority' || kind === 'drop-authority';
}

/**
 * What an approval is given against. Changes of members or their operators make every proposal
 * about validators stale, changes of parameters every one about parameters; a rejoin or a
 * suspension makes none stale, so that nobody can stop a proposal by coming back again. About the
 * authority it is the key in force.
 */
export async function baseOf(reader: Reader, change: Change): Promise<string> {
  if (isParameterChange(change)) return toBase64url(parametersHash(await parametersOf(reader)));
  if (isAuthorityChange(change)) return (await authorityOf(reader)).kid;
  return toBase64url(await membersHash(reader, await setOf(reader)));
}

export async function parametersOf(reader: Reader): Promise<Parameters> {
  const parameters = await reader.get(cells.parameters);
  if (!parameters) throw new Error('the parameters are missing of state');
  return parameters;
}

/** @throws ChaincodeError why the change does not fit the state */
export async function applyChange(making: Making, change: Change): Promise<void> {
  switch (change.kind) {
    case 'add':
      return add(making, change.newcomer);
    case 'remove':
      return remove(making, change.validator);
    case 'replace':
      return replace(making, change.validator, change.newcomer);
    case 'replace-key':
      return replaceKey(making, change.keys);
    case 'replace-operator':
      return replaceOperator(making, change.validator, fromBase64url(change.operatorKey));
    case 'reinstate':
      return reinstate(making, change.keys);
    case 'parameters':
      return putParameters(making, change.set);
    case 'chaincode':
      return putVersion(making, change.version);
    case 'authority':
      return replaceAuthority(making.draft, making.context, change);
    case 'drop-authority':
      return dropAuthority(making.draft, change.kid);
  }
}

async function add({ draft, context, actsAt }: Making, newcomer: Newcomer): Promise<void> {
  const set = await setOf(draft);
  if (set.length >= limits.validatorsMax) throw new ChaincodeError('too_many_validators');
  const { seat, fresh } = await enter({ draft, context, actsAt }, set, newcomer);
  await putSet(draft, [...set, seat], [fresh]);
}

async function remove({ draft, context }: Making, id: string): Promise<void> {
  const set = await setOf(draft);
  const seat = seatOf(set, id);
  const rest = set.filter((one) => one.id !== id);
  if (rest.length < VALIDATORS_MIN) throw new ChaincodeError('too_few_validators');
  const suspended = rest.filter((one) => one.suspended).length;
  if (suspended > faultyMax(rest.length)) throw new ChaincodeError('too_many_suspended');
  await leave(draft, seat, context);
  await putSet(draft, rest);
}

async function replace(making: Making, id: string, newcomer: Newcomer): Promise<void> {
  const { draft, context } = making;
  const set = await setOf(draft);
  const leaver = seatOf(set, id);
  const { seat, fresh } = await enter(making, set, newcomer);
  await leave(draft, leaver, context);
  const changed = set.map((one) => (one.id === id ? seat : one));
  await putSet(draft, changed, [fresh]);
}

async function replaceKey(making: Making, bundle: BundleText): Promise<void> {
  const { draft, context } = making;
  const set = await setOf(draft);
  const seat = seatOf(set, bundle.validator);
  const fresh = await readBundle(making, bundle);
  if (equalBytes(fresh.kmsKey, seat.kmsKey)) throw new ChaincodeError('key_unchanged');
  await renew(making, seat, bundle, fresh);
  const { name } = await entryOf(draft.reader, seat.id);
  await endIdentity(draft, seat.kmsKey, 'replaced', context);
  await startIdentity(draft, validatorParty(seat.id, name, fresh.kmsKey), context);
  const { kmsKey, incarnation } = fresh;
  await putSet(draft, withSeat(set, seat.id, { kmsKey, incarnation }), [fresh]);
}

async function reinstate(making: Making, bundle: BundleText): Promise<void> {
  const { draft } = making;
  const set = await setOf(draft);
  const seat = seatOf(set, bundle.validator);
  if (!seat.suspended) throw new ChaincodeError('validator_not_suspended');
  const fresh = await readBundle(making, bundle);
  if (!equalBytes(fresh.kmsKey, seat.kmsKey)) throw new ChaincodeError('key_changed');
  await renew(making, seat, bundle, fresh);
  const { incarnation } = fresh;
  await putSet(draft, withSeat(set, seat.id, { incarnation, suspended: false }), [fresh]);
}

async function replaceOperator({ draft, context }: Making, id: string, key: Uint8Array) {
  seatOf(await setOf(draft), id);
  const entry = await entryOf(draft.reader, id);
  if (equalBytes(entry.operatorKey, key)) throw new ChaincodeError('key_unchanged');
  await endIdentity(draft, entry.operatorKey, 'replaced', context);
  await startIdentity(draft, operatorParty(id, entry.name, key), context);
  draft.put(cells.directory(id), { ...entry, operatorKey: key });
  draft.put(cells.hospital(id), { name: entry.name, operator: thumbprint(key) });
}

async function putParameters(making: Making, patch: ParametersPatch): Promise<void> {
  const { draft, context } = making;
  const before = await parametersOf(draft.reader);
  const parameters = parametersSchema.parse({ ...before, ...patch });
  if (equalBytes(parametersHash(before), parametersHash(parameters))) {
    throw new ChaincodeError('nothing_changes');
  }
  const isReal = !context.network.startsWith('local-');
  if (isReal && unsafeParameter(parameters)) throw new ChaincodeError('parameter_unsafe');
  if (parametersConflict(parameters)) throw new ChaincodeError('parameters_conflict');
  draft.put(cells.parameters, parameters);
}

/** One by one, so that a slip of the pen cannot name a version that nobody will ever have. */
async function putVersion({ draft }: Making, chaincodeVersion: number): Promise<void> {
  const before = await parametersOf(draft.reader);
  if (chaincodeVersion !== before.chaincodeVersion + 1) {
    throw new ChaincodeError('version_not_next');
  }
  draft.put(cells.parameters, { ...before, chaincodeVersion });
}

function readBundle({ context, actsAt }: Making, bundle: BundleText): Promise<SeatKeys> {
  const { validator, session, read } = bundle;
  const texts = { validator, session: session.certificate, read: read.certificate };
  return readSeatKeys({ ...texts, kmsKey: fromBase64url(bundle.kmsKey) }, context, actsAt);
}

/**
 * Takes new keys of a validator into the directory. Any later incarnation will do: one who holds a
 * stolen KMS key could else stop the operators by a rejoin.
 */
async function renew(
  { draft }: Making,
  { id, incarnation }: Validator,
  bundle: BundleText,
  fresh: SeatKeys,
): Promise<void> {
  const isNext =
    fresh.incarnation > incarnation && fresh.incarnation <= incarnation + INCARNATION_LEAP_MAX;
  if (!isNext) throw new ChaincodeError('wrong_incarnation');
  const entry = await entryOf(draft.reader, id);
  const shareKey = fromBase64url(bundle.shareKey);
  draft.put(cells.directory(id), { ...entry, shareKey, incarnation: fresh.incarnation });
}

/** A hospital that comes, maybe again: then under an incarnation that it never had. */
async function enter(
  making: Making,
  set: ValidatorSet,
  newcomer: Newcomer,
): Promise<{ seat: Validator; fresh: SeatKeys }> {
  const { draft, context } = making;
  const { validator: id, name, apiUrl } = newcomer;
  if (set.some((one) => one.id === id)) throw new ChaincodeError('validator_exists');
  if (!context.network.startsWith('local-') && !apiUrl.startsWith('https://')) {
    throw new ChaincodeError('address_not_https');
  }
  const fresh = await readBundle(making, newcomer);
  const { kmsKey, incarnation } = fresh;
  const former = await draft.get(cells.directory(id));
  if (incarnation !== (former ? former.incarnation + 1 : 0)) {
    throw new ChaincodeError('wrong_incarnation');
  }
  const operatorKey = fromBase64url(newcomer.operatorKey);
  await startIdentity(draft, operatorParty(id, name, operatorKey), context);
  await startIdentity(draft, validatorParty(id, name, kmsKey), context);
  const { time, height } = context;
  draft.put(cells.hospital(id), { name, operator: thumbprint(operatorKey) });
  draft.put(cells.directory(id), {
    ...{ name, apiUrl, operatorKey, incarnation },
    shareKey: fromBase64url(newcomer.shareKey),
    since: { time, height },
    removed: null,
    rejoined: null,
  });
  return { seat: { id, kmsKey, incarnation, suspended: false }, fresh };
}

/** A hospital that goes: neither its operator nor its validator signs anything more. */
async function leave(draft: Draft, { id, kmsKey }: Validator, context: ChaincodeContext) {
  const { operator } = await hospitalOf(draft.reader, id);
  const entry = await entryOf(draft.reader, id);
  if (thumbprint(entry.operatorKey) !== operator) throw new Error(`two operators of ${id}`);
  await endIdentity(draft, entry.operatorKey, 'removed', context);
  await endIdentity(draft, kmsKey, 'removed', context);
  const { time, height } = context;
  draft.put(cells.directory(id), { ...entry, removed: { time, height } });
}
