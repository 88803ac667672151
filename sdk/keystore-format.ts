/** The keystore's file format: keys of one person, closed by a passphrase (age, scrypt). */
import { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient } from 'age-encryption';
import { z } from 'zod';
import { fromBase64, toBase64 } from '../lib/crypto/bytes.ts';
import { SdkError } from './errors.ts';

export const keystoreKinds = [
  'operator',
  'clinician',
  'patient',
  'guardian',
  'representative',
] as const;
export type KeystoreKind = (typeof keystoreKinds)[number];

/** What stands in clear, and is repeated inside the sealed body so that a change shows. */
const openPartSchema = z.strictObject({
  format: z.literal('carequorum-keystore-1'),
  kind: z.enum(keystoreKinds),
  label: z.string().max(128),
  /** RFC 7638 thumbprint of the signing key. */
  kid: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
  /** Uncompressed P-256 point, base64url. */
  publicKey: z.string().regex(/^[A-Za-z0-9_-]{87}$/),
  /** Raised at each save. */
  revision: z.int().min(1),
});
export type KeystoreOpenPart = z.infer<typeof openPartSchema>;

const fileSchema = openPartSchema.extend({
  /** age file: an age identity, closed by the passphrase. */
  lock: z.string(),
  /** age file: the body, closed to that identity; so a save costs no scrypt. */
  body: z.string(),
});
export type KeystoreFile = z.infer<typeof fileSchema>;

const bodySchema = z.strictObject({
  open: openPartSchema,
  /** PKCS #8, base64url. */
  signingKey: z.string(),
  /** Seed of the X-Wing pair, 32 bytes, base64url. */
  encryptionSeed: z.string(),
  /** What the SDK keeps for this kind of person. */
  data: z.record(z.string(), z.json()),
});
export type KeystoreBody = z.infer<typeof bodySchema>;
export type KeystoreData = KeystoreBody['data'];

/** Opens a body again, without the passphrase; lives in memory only. */
export interface KeystoreLock {
  readonly identity: string;
  readonly text: string;
}

/** age's default: about one second on a present machine. */
export const WORK_FACTOR_DEFAULT = 18;
const PASSPHRASE_CHARS_MIN = 8;

/** A new lock. Throws `bad_input` on a passphrase under eight characters. */
export async function createLock(passphrase: string, workFactor: number): Promise<KeystoreLock> {
  if ([...passphrase].length < PASSPHRASE_CHARS_MIN) {
    throw new SdkError(
      'bad_input',
      `A passphrase has ${PASSPHRASE_CHARS_MIN} characters or more.`,
      {
        nextStep: 'Choose a longer one: four or five random words are good.',
      },
    );
  }
  const identity = await generateHybridIdentity();
  const encrypter = new Encrypter();
  encrypter.setPassphrase(normalised(passphrase));
  encrypter.setScryptWorkFactor(workFactor);
  return { identity, text: toBase64(await encrypter.encrypt(identity)) };
}

/** Opens a file's lock. Throws `wrong_passphrase`. */
export async function openLock(file: KeystoreFile, passphrase: string): Promise<KeystoreLock> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(normalised(passphrase));
  try {
    const identity = await decrypter.decrypt(fromBase64(file.lock), 'text');
    return { identity, text: file.lock };
  } catch (cause) {
    throw new SdkError('wrong_passphrase', `The passphrase does not open «${file.label}».`, {
      nextStep: 'Try again; there is no way round a lost passphrase.',
      cause,
    });
  }
}

/** Throws `keystore_malformed`. */
export function parseKeystoreFile(text: string): KeystoreFile {
  try {
    return fileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw malformed(cause);
  }
}

export async function sealKeystore(lock: KeystoreLock, body: KeystoreBody): Promise<string> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(lock.identity));
  const sealed = await encrypter.encrypt(JSON.stringify(body));
  const file: KeystoreFile = { ...body.open, lock: lock.text, body: toBase64(sealed) };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Throws `keystore_malformed`, also where the clear part is not what the body says. */
export async function openBody(file: KeystoreFile, lock: KeystoreLock): Promise<KeystoreBody> {
  try {
    const decrypter = new Decrypter();
    decrypter.addIdentity(lock.identity);
    const text = await decrypter.decrypt(fromBase64(file.body), 'text');
    const body = bodySchema.parse(JSON.parse(text));
    const { format, kind, label, kid, publicKey, revision } = file;
    const open: KeystoreOpenPart = { format, kind, label, kid, publicKey, revision };
    if (JSON.stringify(open) !== JSON.stringify(openPartSchema.parse(body.open))) {
      throw new Error('the clear part was changed');
    }
    return body;
  } catch (cause) {
    throw malformed(cause);
  }
}

/** One person types composed letters, another decomposed ones. */
function normalised(passphrase: string): string {
  return passphrase.normalize('NFKC');
}

function malformed(cause: unknown): SdkError {
  return new SdkError('keystore_malformed', 'The file is no keystore, or was altered.', {
    nextStep: 'Take it from a backup.',
    cause,
  });
}
