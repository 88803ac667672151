/** Secrets in escrow at the validators: split and handed over, opened by receipt, erased. */
import { z } from 'zod';
import {
  escrowSchema,
  type EscrowKind,
  escrowSharesField,
} from '../lib/chaincode/escrow-values.ts';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { CryptoError } from '../lib/crypto/errors.ts';
import type { SigningKey } from '../lib/crypto/p256.ts';
import { randomId } from '../lib/crypto/random.ts';
import { xWingKeyPair } from '../lib/crypto/x-wing.ts';
import {
  combineShares,
  escrowPayloadDigest,
  type GivenShare,
  isShareOf,
  openReleased,
  sealShare,
  shareCommitment,
  type SharePlace,
  splitSecret,
} from '../lib/escrow/shares.ts';
import { sealedDigest, toSealedText } from '../lib/records/sealed.ts';
import { SdkError } from './errors.ts';
import type { EscrowDelivery } from './escrow-delivery.ts';
import { isStaleReceipt } from './http.ts';
import { endEscrowAt, putEscrowShare, type Released, releaseEscrowShare } from './escrow-client.ts';
import { type EscrowPermit, validatorAt } from './escrow-client.ts';
import { parseValue } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Session } from './session.ts';
import type { Call, RequestSigner } from './signing.ts';

const standingValue = z.object({
  escrow: escrowSchema.nullable(),
  isCurrent: z.boolean(),
  holders: z.string(),
  threshold: z.int(),
  validators: z.array(z.object({ id: z.string(), shareKey: z.string() })),
});
/** What the ledger has of an escrow, and who would hold it now. */
export type EscrowStanding = z.infer<typeof standingValue>;

/** What a certified release says: whose shares, by which commitments. */
const releaseValue = z.object({
  escrowId: z.string(),
  generation: z.int(),
  threshold: z.int(),
  payloadDigest: z.string(),
  shares: escrowSharesField,
  readerKid: z.string(),
  usableUntil: z.int(),
});

/** Who owns an escrow: signs on the ledger, and proves to validators. */
export interface EscrowOwner {
  readonly session: Session;
  readonly signer: RequestSigner;
  readonly key: SigningKey;
}

/** A patient as the owner of what is in escrow. */
export function escrowOwner(patient: {
  readonly session: Session;
  readonly signer: RequestSigner;
  readonly ownerKey: SigningKey;
}): EscrowOwner {
  return { session: patient.session, signer: patient.signer, key: patient.ownerKey };
}

/** What is put into escrow, and the transaction that says so. */
export interface EscrowContent {
  readonly kind: EscrowKind;
  /** A function of the chaincode that takes the fields of a deposit. */
  readonly fn: string;
  /** Its other arguments. */
  readonly args: Call['args'];
  /** 32 random bytes. */
  readonly secret: Uint8Array;
  /** Sealed under the secret by the caller; each validator keeps a copy, 64 KiB at most. */
  readonly payload: Uint8Array;
}

export interface Deposited {
  readonly result: CertifiedResult;
  /** What a later login repairs: nothing is missing where all validators hold their share. */
  readonly delivery: EscrowDelivery;
}

/** The ledger's word on an escrow: whether there is one, and whether a new deposit is due. */
export async function escrowStanding(
  { session, signer }: Omit<EscrowOwner, 'key'>,
  kind: EscrowKind,
): Promise<EscrowStanding> {
  const call = { fn: 'escrow.get', args: { kind } };
  return parseValue(
    standingValue,
    await session.client.query(call, signer, { fresh: true }),
    call.fn,
  );
}

/**
 * Splits the secret among the present validators, commits to it, and hands over the shares.
 * `keep` is told before the first share goes out and after the last, so that a deposit that broke off
 * is repaired. Throws `refused`, and `unreachable` where too few validators took theirs.
 */
export async function depositEscrow(
  owner: EscrowOwner,
  content: EscrowContent,
  keep: (delivery: EscrowDelivery) => Promise<void> = async () => undefined,
): Promise<Deposited> {
  const { session, signer } = owner;
  const standing = await escrowStanding(owner, content.kind);
  const escrowId = standing.escrow?.id ?? randomId();
  const generation = (standing.escrow?.generation ?? 0) + 1;
  const { holders, threshold, validators } = standing;
  const split = await splitSecret(content.secret, { holders: validators.length, threshold });
  const prepared = await Promise.all(
    validators.map(async ({ id, shareKey }, at) => {
      const share = split[at] as Uint8Array;
      const place = { network: session.client.name, escrowId, generation, validator: id };
      const sealed = await sealFor(fromBase64url(shareKey), place, share);
      return {
        named: {
          validator: id,
          commitment: shareCommitment(place, share),
          sealedDigest: toBase64url(sealedDigest(sealed)),
        },
        missing: { validator: id, share: toSealedText(sealed) },
      };
    }),
  );
  const { payload } = content;
  const deposit = {
    ...{ escrowId, threshold, holders, payloadDigest: escrowPayloadDigest(payload) },
    shares: prepared.map((one) => one.named),
  };
  const call = { fn: content.fn, args: { ...content.args, ...deposit } };
  const result = await session.client.submit(call, signer);
  const first: EscrowDelivery = {
    ...{ escrowId, generation, threshold, receipt: result.receipt, payload },
    missing: prepared.map((one) => one.missing),
    holders: validators.length,
  };
  await keep(first);
  const delivery = await deliverEscrow(owner, first);
  await keep(delivery);
  requireEnough(delivery);
  return { result, delivery };
}

/**
 * Whoever has a share key that nothing can be sealed to gets what nobody opens, and counts as one
 * that lacks its share: one validator must not keep all patients from depositing.
 */
async function sealFor(shareKey: Uint8Array, place: SharePlace, share: Uint8Array) {
  try {
    return await sealShare(shareKey, place, share);
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    return sealShare((await xWingKeyPair()).publicKey, place, share);
  }
}

/**
 * Hands the missing shares to whoever answers; gives what is missing still. `isStale` where somebody
 * takes the receipt no more, as those who certified it were replaced: then a new deposit is due.
 */
export async function deliverEscrow(
  { session, key }: Omit<EscrowOwner, 'signer'>,
  delivery: EscrowDelivery,
): Promise<EscrowDelivery & { readonly isStale: boolean }> {
  const { escrowId, payload, receipt } = delivery;
  let isStale = false;
  const outcomes = await Promise.all(
    delivery.missing.map(async (one) => {
      try {
        const at = validatorAt(session, one.validator);
        const put = { escrowId, share: one.share, payload };
        await putEscrowShare(session, at, { key, receipt }, put);
        return null;
      } catch (error) {
        if (!(error instanceof SdkError)) throw error;
        isStale ||= isStaleReceipt(error);
        return one;
      }
    }),
  );
  return { ...delivery, missing: outcomes.filter((one) => one !== null), isStale };
}

/** Whether at least as many hold their share as are needed to open it. */
function isDelivered({ holders, missing, threshold }: EscrowDelivery): boolean {
  return holders - missing.length >= threshold;
}

function requireEnough(delivery: EscrowDelivery): void {
  if (isDelivered(delivery)) return;
  const missing = delivery.missing.map((one) => one.validator);
  throw new SdkError(
    'unreachable',
    `Only ${delivery.holders - missing.length} of ${delivery.holders} hospitals took their share; ` +
      `${delivery.threshold} are needed before it can be opened.`,
    {
      nextStep: 'Run the same command again when more hospitals answer: it goes on from here.',
      details: { missing },
    },
  );
}

/** Who opens: the keys that the receipt names. */
export interface EscrowOpener {
  readonly session: Session;
  readonly key: SigningKey;
  readonly encryption: { readonly publicKey: Uint8Array; readonly seed: Uint8Array };
}

export interface OpenedEscrow {
  readonly secret: Uint8Array;
  readonly payload: Uint8Array;
  /** Whose shares opened it. */
  readonly from: readonly string[];
  /** Who gave a share or a payload that is not what the ledger names. */
  readonly liars: readonly string[];
}

/**
 * Asks every validator at once and opens with the first good shares. Throws `refused` where the
 * receipt releases nothing, `unreachable` where too few good shares come.
 */
export async function openEscrow(
  opener: EscrowOpener,
  result: Pick<CertifiedResult, 'receipt' | 'value'>,
): Promise<OpenedEscrow> {
  const parsed = releaseValue.safeParse(result.value);
  if (!parsed.success) {
    throw new SdkError('refused', 'This receipt opens nothing.', {
      nextStep: 'Wait until the declaration is bound to a card, then read.',
    });
  }
  const { escrowId, generation, threshold, shares, payloadDigest, readerKid } = parsed.data;
  const { session, key, encryption } = opener;
  const permit: EscrowPermit = { key, receipt: result.receipt };
  const good: GivenShare[] = [];
  const liars: string[] = [];
  const failures: string[] = [];
  let payload: Uint8Array | null = null;
  const take = async ({ validator, sealed, payload: given }: Released): Promise<void> => {
    const place = { network: session.client.name, escrowId, generation, validator };
    const commitment = shares.find((one) => one.validator === validator)?.commitment ?? '';
    const share = await openReleased(encryption.seed, place, { readerKid, sealed }).catch(
      () => null,
    );
    const isGood = share !== null && isShareOf(place, commitment, share);
    const isPayload = escrowPayloadDigest(given) === payloadDigest;
    if (isGood) good.push({ place, commitment, share });
    if (isPayload) payload ??= given;
    if (!isGood || !isPayload) liars.push(validator);
  };
  await untilEnough(
    shares.map(async ({ validator }) => {
      try {
        const at = validatorAt(session, validator);
        const wanted = { escrowId, readerKey: encryption.publicKey };
        await take(await releaseEscrowShare(session, at, permit, wanted));
      } catch (error) {
        if (!(error instanceof SdkError)) throw error;
        failures.push(error.message);
      }
    }),
    () => good.length >= threshold && payload !== null,
  );
  if (good.length < threshold || payload === null) {
    throw tooFew({ good: good.length, threshold, liars, failures });
  }
  const secret = await combineShares(good, threshold);
  const from = good.slice(0, threshold).map(({ place }) => place.validator);
  return { secret, payload, from, liars };
}

/** Erases at every validator that answers; gives those that did not. */
export async function eraseEscrow(
  { session, key }: Omit<EscrowOwner, 'signer'>,
  {
    receipt,
    escrowId,
    holders,
  }: { receipt: Uint8Array; escrowId: string; holders: readonly string[] },
): Promise<string[]> {
  const left = await Promise.all(
    holders.map(async (id) => {
      try {
        await endEscrowAt(session, validatorAt(session, id), { key, receipt }, escrowId);
        return null;
      } catch (error) {
        if (!(error instanceof SdkError)) throw error;
        return id;
      }
    }),
  );
  return left.filter((id) => id !== null);
}

/** Waits for all, or until it is enough: one that hangs holds nobody up. */
async function untilEnough(work: readonly Promise<void>[], isEnough: () => boolean): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    let left = work.length;
    for (const one of work) {
      one.then(() => {
        left -= 1;
        if (left === 0 || isEnough()) resolve();
      }, reject);
    }
  });
}

function tooFew(found: {
  good: number;
  threshold: number;
  liars: readonly string[];
  failures: readonly string[];
}): SdkError {
  const { good, threshold, liars, failures } = found;
  return new SdkError(
    'unreachable',
    `${good} hospitals gave a good share; ${threshold} are needed. ${failures[0] ?? ''}`.trim(),
    {
      nextStep: 'Run the command again in a few seconds, or treat the patient without the summary.',
      details: { liars, failures },
    },
  );
}
