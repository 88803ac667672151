/** Governance as an operator works with it, and as everybody may look at it. */
import { z } from 'zod';
import { type Change, changeSchema, bundleField } from '../lib/chaincode/change-schema.ts';
import { fromBase64url } from '../lib/crypto/bytes.ts';
import { parseCertificate } from '../lib/membership/certificates.ts';
import { parametersSchema } from '../lib/wire/parameters.ts';
import { SdkError } from './errors.ts';
import type { CallControl, NetworkClient } from './network-client.ts';
import { allEntries, parseValue } from './pages.ts';
import type { CertifiedResult } from './proofs.ts';
import type { RequestSigner } from './signing.ts';

export type { Change } from '../lib/chaincode/change-schema.ts';

/** Whoever signs a query: everybody whom the ledger knows may look. */
export interface Looker {
  readonly session: { readonly client: NetworkClient };
  readonly signer: RequestSigner;
}

const memberValue = z.object({
  id: z.string(),
  name: z.string(),
  apiUrl: z.string(),
  incarnation: z.int(),
  suspended: z.boolean(),
  /** Base64url, as `operatorKey` and `shareKey`. */
  kmsKey: z.string(),
  operatorKey: z.string(),
  shareKey: z.string(),
  /** The equivocation that was proven of this incarnation. */
  blame: z
    .object({
      ledger: z.string(),
      phase: z.string(),
      height: z.int(),
      view: z.int(),
      transaction: z.string(),
    })
    .nullable(),
});

const membersValue = z.object({
  height: z.int(),
  /** The height that set and parameters govern at the latest. */
  governs: z.int(),
  n: z.int(),
  faulty: z.int(),
  quorum: z.int(),
  validators: z.array(memberValue),
  setActsAt: z.int(),
  /** In force in the next block. */
  parameters: parametersSchema,
  /** In force from the block after it, where they are others. */
  upcoming: parametersSchema.nullable(),
  bases: z.object({ members: z.string(), parameters: z.string(), authority: z.string() }),
  /** Retired keys of the membership service; null where nothing of one counts any more. */
  formerAuthorities: z.array(
    z.object({
      kid: z.string(),
      ended: z.object({ time: z.int(), height: z.int() }),
      countsUntil: z.int().nullable(),
    }),
  ),
  proposals: z.object({
    open: z.array(z.string()),
    scheduled: z.array(z.object({ proposalId: z.string(), activateAt: z.int() })),
  }),
});
export type Members = z.infer<typeof membersValue>;

const momentValue = z.object({ time: z.int(), height: z.int() });

const proposalValue = z.object({
  proposalId: z.string(),
  kind: z.string(),
  /** Whom or what it is about, in a word. */
  about: z.string(),
  proposer: z.string(),
  made: momentValue,
  expiresAt: z.int(),
  status: z.enum(['open', 'scheduled', 'done', 'failed', 'withdrawn', 'expired']),
  /** Hospitals that approved, whether or not they count now. */
  approvals: z.array(z.string()),
  activateAt: z.int().nullable(),
  decided: momentValue.nullable(),
  actsAt: z.int().nullable(),
  /** Why it failed, or empty. */
  code: z.string(),
});
export type ProposalSummary = z.infer<typeof proposalValue>;

const wholeProposal = proposalValue.extend({
  change: changeSchema,
  base: z.string(),
  counted: z.array(z.string()),
  quorum: z.int(),
  /** Members or parameters are no longer those that it was made against. */
  isStale: z.boolean(),
});
export type Proposal = z.infer<typeof wholeProposal>;

const outcomeValue = z.object({
  proposalId: z.string(),
  status: z.enum(['open', 'scheduled', 'done']),
  approvals: z.int(),
  quorum: z.int(),
  actsAt: z.int().nullable(),
});
/** What a proposal has become by one's own approval. */
export type ProposalOutcome = z.infer<typeof outcomeValue> & { readonly result: CertifiedResult };

/** The members with their keys and standing, and the parameters, from proven state. */
export async function networkMembers(
  { session, signer }: Looker,
  control: CallControl = {},
): Promise<Members> {
  const call = { fn: 'network.validators', args: {} };
  const value = await session.client.query(call, signer, { ...control, fresh: true });
  return parseValue(membersValue, value, call.fn);
}

/** Every proposal that was ever made, oldest first; the list is proven to be complete. */
export async function allProposals(
  { session, signer }: Looker,
  control: CallControl = {},
): Promise<ProposalSummary[]> {
  const query = { fn: 'governance.list', item: proposalValue, signer };
  return allEntries(session.client, query, { ...control, fresh: true });
}

export async function proposalById(
  { session, signer }: Looker,
  proposalId: string,
  control: CallControl = {},
): Promise<Proposal> {
  const call = { fn: 'governance.get', args: { proposalId } };
  const value = await session.client.query(call, signer, { ...control, fresh: true });
  return parseValue(wholeProposal, value, call.fn);
}

/** Proposes a change against what the ledger has now; who proposes approves. */
export async function propose(
  operator: Looker,
  change: Change,
  options: CallControl & { readonly activateAt?: number | undefined } = {},
): Promise<ProposalOutcome> {
  const { bases } = await networkMembers(operator, options);
  const base = bases[basisOf(change)];
  const { activateAt } = options;
  // A change without undefined fields is JSON; its optional fields only look as if they could be.
  const json = change as z.core.util.JSONType;
  const args = { change: json, base, ...(activateAt === undefined ? {} : { activateAt }) };
  return decided(operator, { fn: 'governance.propose', args }, options);
}

function basisOf({ kind }: Change): 'members' | 'parameters' | 'authority' {
  if (kind === 'parameters' || kind === 'chaincode') return 'parameters';
  return kind === 'authority' || kind === 'drop-authority' ? 'authority' : 'members';
}

/** Approves exactly the change that the id names. */
export async function approveProposal(
  operator: Looker,
  proposalId: string,
  control: CallControl = {},
): Promise<ProposalOutcome> {
  return decided(operator, { fn: 'governance.approve', args: { proposalId } }, control);
}

export async function withdrawProposal(
  { session, signer }: Looker,
  proposalId: string,
  control: CallControl = {},
): Promise<CertifiedResult> {
  const call = { fn: 'governance.withdraw', args: { proposalId } };
  return session.client.submit(call, signer, control);
}

/** A validator's new keys, from what `GET /v1/bootstrap` of its API shows. Throws `bad_input`. */
export function parseBundle(text: string): z.infer<typeof bundleField> {
  const shown = z.object(bundleField.shape);
  try {
    return bundleField.parse(shown.parse(JSON.parse(text)));
  } catch (cause) {
    throw new SdkError('bad_input', 'This is no bundle of a validator’s keys.', {
      nextStep: 'Save what `GET /v1/bootstrap` of that validator shows, and give that file.',
      cause,
    });
  }
}

/**
 * The certificate of the membership service's next key, from what `GET /v1/bootstrap` of its API
 * shows. Throws `bad_input`.
 */
export function parseAuthority(text: string): string {
  const shown = z.object({ nextCertificate: z.string() });
  try {
    const { nextCertificate } = shown.parse(JSON.parse(text));
    if (parseCertificate(fromBase64url(nextCertificate)).isAuthority) return nextCertificate;
    throw new Error('not the certificate of an authority');
  } catch (cause) {
    throw new SdkError('bad_input', 'This names no next key of the membership service.', {
      nextStep:
        'Deploy the service with one key more, save what its `GET /v1/bootstrap` shows, and give that.',
      cause,
    });
  }
}

/** A change with all its parts. Throws `bad_input` naming what does not fit. */
export function parseChange(change: unknown): Change {
  const parsed = changeSchema.safeParse(change);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') ?? '';
  throw new SdkError('bad_input', `The change cannot be proposed: ${where} ${issue?.message}.`, {
    nextStep: 'See `carequorum governance propose --help` for what each kind needs.',
  });
}

async function decided(
  { session, signer }: Looker,
  call: { fn: string; args: Record<string, z.core.util.JSONType> },
  control: CallControl,
): Promise<ProposalOutcome> {
  const { signal } = control;
  const result = await session.client.submit(call, signer, { signal });
  return { ...parseValue(outcomeValue, result.value, call.fn), result };
}
