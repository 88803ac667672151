/** Validators themselves: coming back after amnesia, changing their key, and blame (design §4). */
import { z } from 'zod';
import { fromBase64url } from '../crypto/bytes.ts';
import { thumbprint } from '../crypto/p256.ts';
import { decodeEvidence, EVIDENCE_BYTES_MAX, verifyEvidence } from '../wire/evidence.ts';
import { heightField, validatorIdField } from '../wire/fields.ts';
import { ACTIVATION_DELAY } from '../wire/governed.ts';
import { faultyMax, type Validator, type ValidatorSet } from '../wire/validators.ts';
import { identityOf } from './actor.ts';
import { chaincodeBounds } from './bounds.ts';
import { cells } from './cells.ts';
import { ChaincodeError } from './errors.ts';
import { publicKeyText, sessionText, shareKeyText } from './fields.ts';
import { defineTransaction, type TransactionCall } from './functions.ts';
import { keys } from './keys.ts';
import { everybody } from './roles.ts';
import {
  endIdentity,
  entryOf,
  putSet,
  readSeatKeys,
  type SeatKeys,
  seatOf,
  setOf,
  startIdentity,
  validatorParty,
  withSeat,
} from './seats.ts';

const ownKeys = {
  validator: validatorIdField,
  session: sessionText,
  read: sessionText,
  shareKey: shareKeyText,
};
const seatKeys = [keys.validators, keys.sessions];

export const validatorRejoin = defineTransaction({
  name: 'validator.rejoin',
  summary: 'A validator that may have forgotten its votes comes back under its next incarnation.',
  roles: ['validator'],
  schema: z.strictObject({ ...ownKeys, incarnation: heightField }),
  hints: ({ validator }) => [...seatKeys, keys.directory(validator)],
  async run(args, call) {
    const { validator, incarnation } = args;
    const { set, seat } = await ownSeat(call, validator);
    const fresh = await readSeatKeys({ ...args, kmsKey: seat.kmsKey }, call.context);
    if (incarnation !== fresh.incarnation) throw new ChaincodeError('wrong_incarnation');
    return enter(call, set, fresh, args.shareKey);
  },
});

export const validatorRotateKey = defineTransaction({
  name: 'validator.rotate-key',
  summary: 'A validator replaces its KMS key: the old key signs, the new one certifies sessions.',
  roles: ['validator'],
  schema: z.strictObject({ ...ownKeys, kmsKey: publicKeyText }),
  hints: ({ validator }) => [...seatKeys, keys.directory(validator)],
  async run(args, call) {
    const { draft, context } = call;
    const { set, seat } = await ownSeat(call, args.validator);
    const kmsKey = fromBase64url(args.kmsKey);
    const fresh = await readSeatKeys({ ...args, kmsKey }, context);
    const { name } = await entryOf(draft.reader, seat.id);
    await endIdentity(draft, seat.kmsKey, 'rotated', context);
    await startIdentity(draft, validatorParty(seat.id, name, kmsKey), context);
    return enter(call, set, fresh, args.shareKey);
  },
});

/** Two votes and a session certificate of 2 KiB at most. */
const evidenceField = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/)
  .max(Math.ceil((EVIDENCE_BYTES_MAX * 4) / 3))
  .describe('evidence: canonical CBOR, base64url');

export const validatorAccuse = defineTransaction({
  name: 'validator.accuse',
  summary: 'Brings evidence that a validator signed two statements for one slot: it is suspended.',
  roles: everybody,
  schema: z.strictObject({ evidence: evidenceField }),
  hints: () => [keys.validators, keys.sessions],
  async run({ evidence: text }, { actor, context, draft, transactionId }) {
    const evidence = readEvidence(text);
    const { first, second, ledger } = evidence;
    const set = await setOf(draft);
    const { network, genesisHash, verify, time, height } = context;
    const judged = { network, genesisHash, validators: set };
    const fault = await verifyEvidence(evidence, judged, verify);
    if (fault !== null) throw new ChaincodeError('evidence_void', fault);
    const { id, suspended, incarnation } = seatOf(set, first.validator);
    if (suspended) throw new ChaincodeError('already_suspended');
    const hasRoom = set.filter((one) => one.suspended).length < faultyMax(set.length);
    const cell = cells.blame(id, incarnation);
    if (!hasRoom && (await draft.get(cell))) throw new ChaincodeError('already_accused');
    draft.put(cell, {
      ...{ ledger, phase: first.phase, height: first.height, view: first.view },
      hashes: [first.hash, second.hash],
      ...{ accuser: actor.kid, transaction: transactionId, at: { time, height } },
      suspended: hasRoom,
    });
    if (hasRoom) await putSet(draft, withSeat(set, id, { suspended: true }));
    return { validator: id, incarnation, suspended: hasRoom };
  },
});

function readEvidence(text: string): ReturnType<typeof decodeEvidence> {
  try {
    return decodeEvidence(fromBase64url(text));
  } catch (cause) {
    throw new ChaincodeError('evidence_malformed', undefined, { cause });
  }
}

/** The seat that the signer holds. @throws ChaincodeError `not_own_seat`, `validator_suspended` */
async function ownSeat(
  { actor, draft }: TransactionCall,
  validator: string,
): Promise<{ set: ValidatorSet; seat: Validator }> {
  const set = await setOf(draft);
  const seat = seatOf(set, validator);
  const { kid } = identityOf(actor);
  if (thumbprint(seat.kmsKey) !== kid) throw new ChaincodeError('not_own_seat');
  if (seat.suspended) throw new ChaincodeError('validator_suspended');
  return { set, seat };
}

/** Takes new keys into the seat, so often a day at most: each changes the set for everybody. */
async function enter(
  call: TransactionCall,
  set: ValidatorSet,
  fresh: SeatKeys,
  shareKey: string,
): Promise<{ validator: string; incarnation: number; actsAt: number }> {
  const { draft, context } = call;
  const { validator, incarnation, kmsKey } = fresh;
  if (incarnation !== seatOf(set, validator).incarnation + 1) {
    throw new ChaincodeError('wrong_incarnation');
  }
  const entry = await entryOf(draft.reader, validator);
  const { rejoined } = entry;
  const isSameSpan = rejoined && context.time < rejoined.since + chaincodeBounds.rejoinsMs;
  const span = isSameSpan ? rejoined : { since: context.time, count: 0 };
  if (span.count >= chaincodeBounds.rejoinsMax) throw new ChaincodeError('too_many_rejoins');
  draft.put(cells.directory(validator), {
    ...entry,
    incarnation,
    shareKey: fromBase64url(shareKey),
    rejoined: { ...span, count: span.count + 1 },
  });
  await putSet(draft, withSeat(set, validator, { incarnation, kmsKey }), [fresh]);
  return { validator, incarnation, actsAt: context.height + ACTIVATION_DELAY };
}
