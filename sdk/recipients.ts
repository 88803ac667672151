/** Whom a permission is for: a clinician, or a care team of a hospital; proven by the ledger. */
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { CryptoError } from '../lib/crypto/errors.ts';
import { hpkeSeal } from '../lib/crypto/hpke.ts';
import { thumbprint } from '../lib/crypto/p256.ts';
import type { Permission } from '../lib/chaincode/values.ts';
import { findGrantee, findIdentity, type PersonQuery } from './directory.ts';
import { SdkError } from './errors.ts';
import type { RepresentativeCard } from './representative-card.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';
import { type CareTeam, findTeam, teamById } from './teams.ts';

/** A person by number, name or subject; a team by id or name. */
export type RecipientQuery = PersonQuery | { readonly team: string };

export interface Recipient {
  readonly kind: 'person' | 'team' | 'representative';
  /** Subject of the person, id of the team, or thumbprint of a representative's key. */
  readonly id: string;
  /** The person's present key; null for a team. */
  readonly kid: string | null;
  readonly name: string;
  /** Of the person; `team` for a team. */
  readonly role: string;
  readonly hospital: string | null;
  /** X-Wing public key, as the ledger proves it. */
  readonly encryptionKey: Uint8Array;
  /** Which of a team's keys that is. */
  readonly teamEpoch: number | null;
  /** The team, where it is one. */
  readonly team: CareTeam | null;
}

interface Looker {
  readonly session: Session;
  readonly signer: RequestSigner;
  /** A patient's keystore has the cards of representatives. */
  readonly data?: { readonly representatives?: readonly RepresentativeCard[] | undefined };
}

/** Throws `not_found` (a team without a key, too), `bad_input` or `mismatch`. */
export async function findRecipient(looker: Looker, wanted: RecipientQuery): Promise<Recipient> {
  if ('team' in wanted) return recipientOfTeam(await findTeam(looker, wanted.team));
  return person(looker, wanted);
}

/** The one who holds a permission, with the present key. */
export async function recipientOf(looker: Looker, permission: Permission): Promise<Recipient> {
  const { granteeKind, grantee } = permission;
  if (granteeKind === 'team') return recipientOfTeam(await teamById(looker, grantee));
  if (granteeKind === 'representative') {
    const cards = looker.data?.representatives ?? [];
    const card = cards.find((one) => thumbprint(fromBase64url(one.publicKey)) === grantee);
    if (card) return recipientOfCard(card);
    throw new SdkError('not_found', 'The card of this representative is not in this keystore.', {
      nextStep: 'Ask for a new card, and appoint anew: `carequorum representative appoint`.',
    });
  }
  const { name } = await findIdentity(looker.session, looker.signer, { subject: grantee });
  return person(looker, { name, subject: grantee });
}

/** As `recipientOf`, or null where nobody can be sealed to now. */
export async function recipientOrNull(
  looker: Looker,
  permission: Permission,
): Promise<Recipient | null> {
  try {
    return await recipientOf(looker, permission);
  } catch (error) {
    if (error instanceof SdkError && error.code === 'not_found') return null;
    throw error;
  }
}

/** Whom a card is of: nobody whom the ledger knows by name. */
export function recipientOfCard(card: RepresentativeCard): Recipient {
  const kid = thumbprint(fromBase64url(card.publicKey));
  const encryptionKey = fromBase64url(card.encryptionKey);
  const who = { kind: 'representative', id: kid, kid, name: card.name } as const;
  return {
    ...{ ...who, role: 'representative', hospital: null, encryptionKey },
    ...{ teamEpoch: null, team: null },
  };
}

async function person({ session, signer }: Looker, wanted: PersonQuery): Promise<Recipient> {
  const { identity, encryptionKey } = await findGrantee(session, signer, wanted);
  const { subject: id, kid, name, role, hospital } = identity;
  return {
    kind: 'person',
    id,
    kid,
    name,
    role,
    hospital,
    encryptionKey,
    teamEpoch: null,
    team: null,
  };
}

async function recipientOfTeam(team: CareTeam): Promise<Recipient> {
  const { id, name, hospital, key, epoch, closed } = team;
  if (closed !== null) {
    throw new SdkError('not_found', `The care team «${name}» is closed.`, {
      nextStep: 'See which teams there are: `carequorum team list`.',
    });
  }
  const encryptionKey = key && fromBase64url(key.publicKey);
  if (encryptionKey === null || !(await isSealable(encryptionKey))) {
    throw new SdkError('not_found', `The care team «${name}» has no key at present.`, {
      nextStep: 'Ask a member of the team to make one: `carequorum team make-key`.',
    });
  }
  return {
    kind: 'team',
    id,
    kid: null,
    name,
    role: 'team',
    hospital,
    encryptionKey,
    teamEpoch: epoch,
    team,
  };
}

/** A member may have named what is no key: nothing is sealed to that, and others are still served. */
async function isSealable(publicKey: Uint8Array): Promise<boolean> {
  const nothing = new Uint8Array();
  try {
    await hpkeSeal(publicKey, { info: nothing, aad: nothing, plaintext: nothing });
    return true;
  } catch (cause) {
    if (cause instanceof CryptoError) return false;
    throw cause;
  }
}
