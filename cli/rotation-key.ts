/** The file of a patient's rotation key: kept apart from the keystore, on a stick or on paper. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import {
  exportSigningKey,
  type generateSigningKey,
  importSigningKey,
  type SigningKey,
} from '../lib/crypto/p256.ts';
import { SdkError } from '../sdk/errors.ts';
import { writeTextFile } from '../sdk/platform/node.ts';

export interface RotationKeyOptions {
  readonly rotationKey?: string;
}

const keyFileSchema = z.strictObject({
  format: z.literal('carequorum-rotation-key-1'),
  /** PKCS #8, base64url. */
  key: z.string().max(512),
});

/** The key of the file that `--rotation-key` names, if it does. */
export async function rotationKeyOf({
  rotationKey: path,
}: RotationKeyOptions): Promise<SigningKey | undefined> {
  if (path === undefined) return undefined;
  const parsed = keyFileSchema.safeParse(jsonOf(await readFile(path, 'utf8')));
  if (parsed.success) return importSigningKey(fromBase64url(parsed.data.key));
  throw new SdkError('bad_input', `${path} is no rotation key.`, {
    nextStep: 'Give the file that --make-rotation-key wrote.',
  });
}

/** Writes the file, which must not be there yet. */
export async function writeRotationKey(
  path: string,
  key: Awaited<ReturnType<typeof generateSigningKey>>,
): Promise<void> {
  const text = JSON.stringify({
    format: 'carequorum-rotation-key-1',
    key: toBase64url(await exportSigningKey(key)),
  });
  await writeTextFile(path, `${text}\n`, { isPrivate: true, overwrite: false });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
