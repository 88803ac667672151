/** Certificates of the authority: each is made once by its KMS key, the first before genesis. */

import { z } from 'zod';
import { equalBytes, fromBase64url } from '../../lib/crypto/bytes.ts';
import { type SigningKey, thumbprint } from '../../lib/crypto/p256.ts';
import {
  issueAuthority,
  parseCertificate,
  randomSerial,
} from '../../lib/membership/certificates.ts';
import { parseWith } from '../../lib/wire/codec.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { HttpError } from '../aws/problems.ts';
import type { MembershipContext, OperatorKey } from './context.ts';

const KEY = { pk: 'service', sk: 'authority' };
const storedSchema = z.strictObject({ certificate: z.instanceof(Uint8Array) });

/** How long before its making the certificate starts to be valid: clocks differ. */
const BACKDATED_MS = 3_600_000;

type Context = Pick<MembershipContext, 'network' | 'store' | 'authorityKeys' | 'now'>;

/** The certificate of the genesis document, DER; made at the first call, then always the same. */
export async function authorityCertificate(context: Context): Promise<Uint8Array> {
  const [first] = await context.authorityKeys();
  return certificateOf(context, first as SigningKey, KEY);
}

/** The certificate of the newest key, for operators to approve; null where there is but one. */
export async function nextCertificate(context: Context): Promise<Uint8Array | null> {
  const keys = await context.authorityKeys();
  if (keys.length === 1) return null;
  const newest = keys.at(-1) as SigningKey;
  return certificateOf(context, newest, {
    ...KEY,
    sk: `authority ${thumbprint(newest.publicKey)}`,
  });
}

async function certificateOf(
  { network, store, now }: Context,
  signer: SigningKey,
  key: typeof KEY,
): Promise<Uint8Array> {
  if (!(await store.get(key))) {
    const notBefore = now() - BACKDATED_MS;
    const serial = randomSerial();
    const certificate = await issueAuthority({ network, signer, serial, notBefore });
    await store.insert(key, { certificate });
  }
  const item = await store.get(key);
  return parseWith(storedSchema, item?.value).certificate;
}

/** Throws HttpError `wrong_party` unless the document names this very authority. */
export async function checkOwnAuthority(context: Context, genesis: Genesis): Promise<void> {
  const named = fromBase64url(genesis.document.membership.caCertificate);
  const own = await authorityCertificate(context);
  const [key] = await context.authorityKeys();
  const isOwn =
    equalBytes(named, own) && equalBytes(parseCertificate(own).publicKey, key?.publicKey ?? named);
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
