/** Care teams: proven by the ledger; their key is made and handed on by members alone. */
import { z } from 'zod';
import { equalBytes, fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { hpkeInfo, hpkeOpen, hpkeSeal } from '../lib/crypto/hpke.ts';
import { type SigningKey, thumbprint } from '../lib/crypto/p256.ts';
import { randomId } from '../lib/crypto/random.ts';
import { xWingKeyPair, X_WING_SEED_BYTES } from '../lib/crypto/x-wing.ts';
import { recordsBounds } from '../lib/records/bounds.ts';
import {
  digestOfSealed,
  fromSealedText,
  sealedDigest,
  type SealedText,
  toSealedText,
} from '../lib/records/sealed.ts';
import { decodeWith, encodeCbor } from '../lib/wire/codec.ts';
import { bytesField } from '../lib/wire/fields.ts';
import { teamLogSchema, type TeamLogEntry } from '../lib/chaincode/team-values.ts';
import { findGrantee, findIdentity, type LedgerIdentity } from './directory.ts';
import { SdkError } from './errors.ts';
import type { Keystore } from './keystore.ts';
import { reasonOf } from './http.ts';
import type { CallControl } from './network-client.ts';
import { allEntries, parseValue } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';
import type { Session } from './session.ts';
import type { RequestSigner } from './signing.ts';

/** Whoever asks the ledger. */
interface Looker {
  readonly session: Session;
  readonly signer: RequestSigner;
}
/** A clinician, as far as teams need one. */
export interface TeamMate extends Looker {
  readonly keystore: Keystore;
  /** Keys of before the last renewal, too. */
  allKeys?(): Promise<readonly Pick<Keystore, 'signingKey' | 'encryption'>[]>;
}

const moment = z.object({ time: z.int(), height: z.int() });
const teamSchema = z.object({
  id: z.string(),
  name: z.string(),
  hospital: z.string(),
  members: z.array(
    z.object({
      subject: z.string(),
      since: moment,
      /** The key that the member has now; null where it has none. */
      kid: z.string().nullable(),
      seal: z
        .object({ kid: z.string(), digest: z.string(), epoch: z.int(), version: z.int() })
        .nullable(),
    }),
  ),
  epoch: z.int(),
  key: z.object({ publicKey: z.string(), maker: z.string(), made: moment }).nullable(),
  version: z.int(),
  created: moment,
  closed: moment.nullable(),
});
/** A team as the ledger has it. */
export type CareTeam = z.infer<typeof teamSchema>;

const summarySchema = z.object({
  ...{ id: z.string(), name: z.string(), hospital: z.string(), members: z.int() },
  ...{ hasKey: z.boolean(), epoch: z.int(), version: z.int(), closed: moment.nullable() },
});
export type TeamSummary = z.infer<typeof summarySchema>;

/** Throws `not_found`. */
export async function teamById({ session, signer }: Looker, teamId: string): Promise<CareTeam> {
  try {
    const call = { fn: 'team.get', args: { teamId } };
    const value = await session.client.query(call, signer, { fresh: true });
    return parseValue(teamSchema, value, call.fn);
  } catch (cause) {
    if (reasonOf(cause) !== 'unknown_team') throw cause;
    throw notFound(`There is no care team ${teamId}.`, cause);
  }
}

/** Teams of these hospitals, closed ones too; all members of the network without any. */
export async function allTeams(
  { session, signer }: Looker,
  hospitals: readonly string[] = session.network.validators.map(({ id }) => id),
  control: CallControl = {},
): Promise<TeamSummary[]> {
  const found: TeamSummary[] = [];
  for (const hospital of hospitals) {
    const query = { fn: 'team.list', args: { hospital }, item: summarySchema, signer };
    found.push(...(await allEntries(session.client, query, control)));
  }
  return found;
}

/** The open team of an id, its start, or a name. Throws `not_found` or `bad_input`. */
export async function findTeam(looker: Looker, wanted: string): Promise<CareTeam> {
  const folded = wanted.normalize('NFKC').toLowerCase();
  const open = (await allTeams(looker)).filter((one) => one.closed === null);
  const fitting = open.filter(
    ({ id, name }) => id.startsWith(wanted) || name.normalize('NFKC').toLowerCase() === folded,
  );
  const [first, ...others] = fitting;
  if (!first) throw notFound(`There is no care team «${wanted}».`);
  if (others.length === 0) return teamById(looker, first.id);
  throw new SdkError('bad_input', `«${wanted}» means ${fitting.length} teams.`, {
    nextStep: 'Give the id of the team: `carequorum team list`.',
    details: { teams: fitting.map(({ id, name, hospital }) => ({ id, name, hospital })) },
  });
}

/** Everything that became of a team, oldest first. */
export async function teamLog(
  { session, signer }: Looker,
  teamId: string,
  control: CallControl = {},
): Promise<TeamLogEntry[]> {
  const query = { fn: 'team.log', args: { teamId }, item: teamLogSchema, signer };
  return allEntries(session.client, query, control);
}

/** Identities of the present members; those whom the ledger lost are an error of it. */
export async function membersOf(
  { session, signer }: Looker,
  { members }: CareTeam,
): Promise<LedgerIdentity[]> {
  return Promise.all(members.map(({ subject }) => findIdentity(session, signer, { subject })));
}

/** An operator makes a team of clinicians of the own hospital. */
export async function createTeam(
  { session, signer, keystore }: TeamMate,
  { name, members }: { name: string; members: readonly string[] },
): Promise<{ teamId: string; result: CertifiedResult }> {
  const teamId = randomId();
  const args = { teamId, name, members: [...members] };
  const result = await session.client.submit({ fn: 'team.create', args }, signer);
  await tell({ session, keystore }, result);
  return { teamId, result };
}

/** An operator lets people in and out. Who leaves is refused from the block on. */
export async function changeTeam(
  { session, signer, keystore }: TeamMate,
  team: CareTeam,
  { add, remove }: { add?: readonly string[]; remove?: readonly string[] },
): Promise<CertifiedResult> {
  const args = {
    ...{ teamId: team.id, version: team.version },
    ...(add && add.length > 0 ? { add: [...add] } : {}),
    ...(remove && remove.length > 0 ? { remove: [...remove] } : {}),
  };
  const result = await session.client.submit({ fn: 'team.change', args }, signer);
  await tell({ session, keystore }, result);
  return result;
}

export async function closeTeam(
  { session, signer, keystore }: TeamMate,
  { id: teamId }: CareTeam,
): Promise<CertifiedResult> {
  const result = await session.client.submit({ fn: 'team.close', args: { teamId } }, signer);
  await tell({ session, keystore }, result);
  return result;
}

/** Teams that a clinician is in now. */
export async function teamsOf({ session, signer }: Looker): Promise<CareTeam[]> {
  const call = { fn: 'team.mine', args: {} };
  const value = await session.client.query(call, signer, { fresh: true });
  return parseValue(z.object({ teams: z.array(teamSchema) }), value, call.fn).teams;
}

/** What handing a team's key on did. */
export interface TeamSealed {
  readonly result: CertifiedResult;
  readonly team: CareTeam;
  readonly sealedTo: readonly LedgerIdentity[];
  /** Members whose key to seal to the directory did not give as the ledger proves it. */
  readonly skipped: readonly string[];
}

/**
 * A member gives the team a new key and seals its seed to all members, with the seeds of earlier
 * keys that the member has: what patients handed over before is sealed to those.
 */
export async function makeTeamKey(mate: TeamMate, team: CareTeam): Promise<TeamSealed> {
  const epoch = team.epoch + (team.key === null ? 0 : 1);
  const pair = await xWingKeyPair();
  const held = await heldTeamKey(mate, team).catch((error: unknown) => {
    if (error instanceof SdkError) return null;
    throw error;
  });
  const seeds = new Map([...(held?.seeds ?? []), [epoch, pair.seed]]);
  const everybody = team.members.map(({ subject }) => subject);
  const call = { fn: 'team.publish-key', args: { publicKey: toBase64url(pair.publicKey) } };
  return handOn(mate, { team, epoch, seeds, to: everybody, call });
}

/** A member hands the key on to those who have none of the present epoch for their present key. */
export async function sealTeamKey(mate: TeamMate, team: CareTeam): Promise<TeamSealed | null> {
  const lacking = team.members.filter(
    ({ seal, kid }) => seal === null || seal.kid !== kid || seal.epoch < team.epoch,
  );
  if (team.key === null || lacking.length === 0) return null;
  const { seeds } = await heldTeamKey(mate, team);
  if (!seeds.has(team.epoch)) throw noSeal(team);
  const to = lacking.map(({ subject }) => subject);
  return handOn(mate, { team, epoch: team.epoch, seeds, to, call: { fn: 'team.seal', args: {} } });
}

const seedsSchema = z.strictObject({
  format: z.literal('carequorum-team-1'),
  seeds: z.array(z.tuple([z.int().min(1), bytesField(X_WING_SEED_BYTES)])).max(64),
});
/** Seeds that one seal hands over, the newest. */
const SEEDS_MAX = 64;

/** The team's keys as a member has them. */
export interface HeldTeamKey {
  /** Seeds by epoch, the present and earlier ones. */
  readonly seeds: ReadonlyMap<number, Uint8Array>;
  /** The member's key that they were sealed with; the custodian knows it as the member's. */
  readonly signingKey: SigningKey;
}

/**
 * What a member sealed to this one. Throws `not_found` where nobody did, `mismatch` where it is not
 * what the ledger names, or not the team's key.
 */
export async function heldTeamKey(mate: TeamMate, team: CareTeam): Promise<HeldTeamKey> {
  const { session, keystore } = mate;
  const own = team.members.find(({ kid }) => kid === keystore.kid);
  const keys = mate.allKeys ? await mate.allKeys() : [keystore];
  const mine = keys.find(({ signingKey }) => thumbprint(signingKey.publicKey) === own?.seal?.kid);
  if (!own?.seal || !mine) throw noSeal(team);
  const { signingKey, encryption } = mine;
  const sealed = await session.sources.teamKey(team.id, signingKey, own.seal.digest);
  if (!sealed) throw noSeal(team);
  if (digestOfSealed(sealed) !== own.seal.digest) throw wrongSeal(team);
  const seeds = await openSeal(sealed, encryption.seed, {
    ...{ network: session.client.name, teamId: team.id, subject: own.subject },
  });
  // Whoever sealed a wrong seed would have patients' keys sealed to what nobody can open.
  const present = seeds.get(team.epoch);
  if (team.key && present) {
    const { publicKey } = await xWingKeyPair(present);
    if (!equalBytes(publicKey, fromBase64url(team.key.publicKey))) throw wrongSeal(team);
  }
  return { seeds, signingKey };
}

async function openSeal(
  sealed: SealedText,
  seed: Uint8Array,
  { network, teamId, subject }: { network: string; teamId: string; subject: string },
): Promise<Map<number, Uint8Array>> {
  const info = sealInfo(network, teamId, subject);
  const { enc, ciphertext } = fromSealedText(sealed);
  try {
    const opened = await hpkeOpen(seed, { enc, ciphertext, info, aad: new Uint8Array() });
    return new Map(decodeWith(seedsSchema, opened, recordsBounds.teamSealBytesMax).seeds);
  } catch (cause) {
    throw new SdkError('not_readable', 'What was sealed to you for a care team does not open.', {
      nextStep: 'Ask another member for a new team key: `carequorum team make-key`.',
      details: { teamId },
      cause,
    });
  }
}

interface Handing {
  team: CareTeam;
  epoch: number;
  seeds: ReadonlyMap<number, Uint8Array>;
  to: readonly string[];
  call: { fn: string; args: Record<string, string> };
}

async function handOn(mate: TeamMate, { team, epoch, seeds, to, call }: Handing) {
  const { session, signer, keystore } = mate;
  const network = session.client.name;
  const kept = [...seeds].sort(([a], [b]) => a - b).slice(-SEEDS_MAX);
  const plaintext = encodeCbor({ format: 'carequorum-team-1', seeds: kept });
  const sealed: { identity: LedgerIdentity; seal: SealedText; digest: string }[] = [];
  const skipped: string[] = [];
  for (const subject of to) {
    const found = await granteeOrNull(mate, subject);
    if (!found) {
      skipped.push(subject);
      continue;
    }
    const info = sealInfo(network, team.id, subject);
    const made = await hpkeSeal(found.encryptionKey, { info, aad: new Uint8Array(), plaintext });
    const digest = toBase64url(sealedDigest(made));
    sealed.push({ identity: found.identity, seal: toSealedText(made), digest });
  }
  const seals = sealed.map(({ identity, digest }) => ({ subject: identity.subject, digest }));
  const args = { ...call.args, teamId: team.id, version: team.version, epoch, seals };
  const result = await session.client.submit({ fn: call.fn, args }, signer);
  const deposited = sealed.map(({ identity, seal }) => ({ kid: identity.kid, sealed: seal }));
  await session.custodian.putTeamKeys(deposited, {
    key: keystore.signingKey,
    receipt: result.receipt,
  });
  const sealedTo = sealed.map(({ identity }) => identity);
  return { result, team: await teamById(mate, team.id), sealedTo, skipped };
}

/** Keys to seal to come from the ledger's proofs; a member without one is left out. */
async function granteeOrNull({ session, signer }: Looker, subject: string) {
  try {
    const { name } = await findIdentity(session, signer, { subject });
    return await findGrantee(session, signer, { name, subject });
  } catch (error) {
    if (error instanceof SdkError && error.code === 'not_found') return null;
    throw error;
  }
}

/** Tells the custodian who is in the team now: who left gets nothing more of it there either. */
async function tell(
  { session, keystore }: Pick<TeamMate, 'session' | 'keystore'>,
  { receipt }: CertifiedResult,
): Promise<void> {
  await session.custodian.putTeamKeys([], { key: keystore.signingKey, receipt });
}

function sealInfo(network: string, teamId: string, subject: string): Uint8Array {
  return hpkeInfo({ network, purpose: 'team-key', subject: teamId, recipient: subject });
}

function noSeal({ name }: CareTeam): SdkError {
  return new SdkError('not_found', `Nobody sealed the key of «${name}» to you yet.`, {
    nextStep: 'Ask another member of the team to run `carequorum team seal`.',
  });
}

function wrongSeal({ name, id }: CareTeam): SdkError {
  return new SdkError('mismatch', `What was sealed to you for «${name}» is not the team’s key.`, {
    nextStep: 'Ask another member for a new team key: `carequorum team make-key`.',
    details: { teamId: id },
  });
}

function notFound(message: string, cause?: unknown): SdkError {
  const nextStep = 'See which teams there are: `carequorum team list`.';
  return new SdkError('not_found', message, { nextStep, ...(cause ? { cause } : {}) });
}
