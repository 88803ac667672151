/** The certificate authority: its certificate is made once, before genesis, by the KMS key. */

import { z } from 'zod';
import { equalBytes, fromBase64url } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import {
  issueAuthority,
  parseCertificate,
  randomSerial,
} from '../../lib/membership/certificates.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { HttpError } from '../aws/problems.ts';
import type { Authority, MembershipContext, OperatorKey } from './context.ts';

const KEY = { pk: 'service', sk: 'authority' };
const storedSchema = z.strictObject({ certificate: z.instanceof(Uint8Array) });

/** How long before its making the certificate starts to be valid: clocks differ. */
const BACKDATED_MS = 3_600_000;

type Context = Pick<MembershipContext, 'network' | 'store' | 'authorityKey' | 'now'>;

/** The authority's certificate, DER; made at the first call of all, then always the same. */
export async function authorityCertificate(context: Context): Promise<Uint8Array> {
  const { network, store } = context;
  if (!(await store.get(KEY))) {
    const certificate = await issueAuthority({
      network,
      signer: await context.authorityKey(),
      serial: randomSerial(),
      notBefore: context.now() - BACKDATED_MS,
    });
    await store.insert(KEY, { certificate });
  }
  const item = await store.get(KEY);
  return parseWith(storedSchema, item?.value).certificate;
}

/** The authority that issues. Throws HttpError `not_initialised` before genesis. */
export async function requireAuthority(context: MembershipContext): Promise<Authority> {
  const genesis = await context.genesis.require();
  const certificate = fromBase64url(genesis.document.membership.caCertificate);
  return { genesis, certificate, signer: await context.authorityKey() };
}

/** Throws HttpError `wrong_party` unless the document names this very authority. */
export async function checkOwnAuthority(context: Context, genesis: Genesis): Promise<void> {
  const named = fromBase64url(genesis.document.membership.caCertificate);
  const own = await authorityCertificate(context);
  const key = await context.authorityKey();
  const isOwn =
    equalBytes(named, own) && equalBytes(parseCertificate(own).publicKey, key.publicKey);
  if (!isOwn) {
    throw new HttpError('wrong_party', 'The document names another certificate authority.');
  }
}

/** The operator whose key has this thumbprint, as the genesis document names it. */
export function findOperator(genesis: Genesis, kid: string): OperatorKey | null {
  for (const { id, operatorKey } of genesis.document.validators) {
    const publicKey = fromBase64url(operatorKey);
    if (thumbprint(publicKey) === kid) return { validator: id, publicKey };
  }
  return null;
}
