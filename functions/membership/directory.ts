/** GET /v1/directory: clinicians by exact name or number; nobody can list them all. */

import { toBase64url } from '../../lib/crypto/bytes.ts';
import { isValidNpi } from '../../lib/membership/npi.ts';
import { canonicalName } from '../../lib/membership/person-name.ts';
import { roleSchema } from '../../lib/membership/roles.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { HttpAnswer } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import { isListed } from './activate.ts';
import type { MembershipContext } from './context.ts';
import {
  type Enrolment,
  findPointer,
  identitySchema,
  itemKeys,
  requireEnrolment,
} from './enrolment.ts';

const ENTRIES_MAX = 20;

/** The entries of a name or a number; what it says is checked against the ledger by clients. */
export async function lookUp(
  context: MembershipContext,
  query: Readonly<Record<string, string>>,
): Promise<HttpAnswer> {
  await context.genesis.require();
  const role = roleSchema.optional().safeParse(query['role']);
  if (!role.success) throw new HttpError('invalid_request', 'role: there is no such role');
  const entries = [];
  for (const enrolment of await findEnrolments(context, query)) {
    const { id } = enrolment;
    const { certificate, subject, kid, hospital, encryptionKey } = enrolment;
    if (enrolment.status !== 'active' || !isListed(enrolment) || !certificate) continue;
    if (role.data !== undefined && role.data !== enrolment.role) continue;
    const identity = parseWith(identitySchema, await context.vault.open(id, enrolment.identity));
    entries.push({
      subject,
      name: identity.name,
      role: enrolment.role,
      hospital,
      npi: identity.npi ?? null,
      kid,
      certificate: toBase64url(certificate),
      encryptionKey: toBase64url(encryptionKey),
    });
  }
  return { status: 200, body: { entries } };
}

/**
 * Those found, each with the one whose key it takes over: which of the two counts is for the
 * ledger to say.
 */
async function findEnrolments(
  context: MembershipContext,
  query: Readonly<Record<string, string>>,
): Promise<Enrolment[]> {
  const found = new Map<string, Enrolment>();
  for (const id of await findIds(context, query)) {
    const { enrolment } = await requireEnrolment(context.store, id);
    found.set(id, enrolment);
    const { predecessor } = enrolment;
    if (predecessor === null) continue;
    found.set(predecessor, (await requireEnrolment(context.store, predecessor)).enrolment);
  }
  return [...found.values()];
}

async function findIds(
  context: MembershipContext,
  { npi, name }: Readonly<Record<string, string>>,
): Promise<string[]> {
  if ((npi === undefined) === (name === undefined)) {
    throw new HttpError('invalid_request', 'Ask either by npi or by name.');
  }
  if (npi !== undefined) {
    if (!isValidNpi(npi)) throw new HttpError('invalid_request', 'npi: not a valid NPI');
    const digest = await context.vault.digest('npi', npi);
    const found = await findPointer(context.store, itemKeys.person(digest));
    return found ? [found.id] : [];
  }
  const canonical = canonicalName(name ?? '');
  if (canonical === '') throw new HttpError('invalid_request', 'name: says no name');
  const digest = await context.vault.digest('name', canonical);
  const items = await context.store.list(itemKeys.name(digest, '').pk, { limit: ENTRIES_MAX });
  return items.map((item) => item.sk);
}
