/** Keystore files: made once, opened by passphrase, saved whole; mode 0600. Node only. */
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import {
  exportSigningKey,
  generateSigningKey,
  importSigningKey,
  type SigningKey,
  thumbprint,
} from '../lib/crypto/p256.ts';
import { type XWingKeyPair, xWingKeyPair } from '../lib/crypto/x-wing.ts';
import { SdkError } from './errors.ts';
import {
  createLock,
  type KeystoreBody,
  type KeystoreData,
  type KeystoreKind,
  type KeystoreLock,
  openBody,
  openLock,
  parseKeystoreFile,
  sealKeystore,
  WORK_FACTOR_DEFAULT,
} from './keystore-format.ts';
import { isErrno, readTextFile, withFileLock, writeTextFile } from './platform/node.ts';

/** The keys of one person, and what the SDK keeps for them. */
export interface Keystore {
  readonly path: string;
  readonly kind: KeystoreKind;
  readonly label: string;
  readonly signingKey: SigningKey;
  /** RFC 7638 thumbprint of the signing key. */
  readonly kid: string;
  /** Uncompressed point of the signing key, 65 bytes. */
  readonly publicKey: Uint8Array;
  readonly encryption: XWingKeyPair;
  /** Changed in place; durable after `save`. */
  data: KeystoreData;
  /** The present keys as they are kept. */
  readonly keptKeys: FreshKeys;
  /** Puts other keys in the place of the present ones; durable after `save`. */
  replaceKeys(keys: FreshKeys): Promise<void>;
  /** Writes the file anew. Throws `keystore_changed` if another program saved meanwhile. */
  save(): Promise<void>;
  /** Puts the file under another passphrase, and saves. */
  relock(passphrase: string, workFactor?: number): Promise<void>;
}

/** Keys as they are kept in a keystore, base64url: PKCS #8, and the seed of the X-Wing pair. */
export interface FreshKeys {
  readonly signingKey: string;
  readonly encryptionSeed: string;
}

export interface CreateKeystoreOptions {
  readonly path: string;
  readonly passphrase: string;
  readonly kind: KeystoreKind;
  /** What a person calls it; stands in clear. */
  readonly label: string;
  /** log2 of scrypt's cost. @default 18, about a second */
  readonly workFactor?: number;
}

/** Makes fresh keys and their file. Throws `keystore_exists`: it never overwrites. */
export async function createKeystore(options: CreateKeystoreOptions): Promise<Keystore> {
  const { path, kind, label } = options;
  const [lock, key, encryption] = await Promise.all([
    createLock(options.passphrase, options.workFactor ?? WORK_FACTOR_DEFAULT),
    generateSigningKey({ extractable: true }),
    xWingKeyPair(),
  ]);
  const body: KeystoreBody = {
    open: {
      format: 'carequorum-keystore-1',
      kind,
      label,
      kid: thumbprint(key.publicKey),
      publicKey: toBase64url(key.publicKey),
      revision: 1,
    },
    signingKey: toBase64url(await exportSigningKey(key)),
    encryptionSeed: toBase64url(encryption.seed),
    data: {},
  };
  const text = await sealKeystore(lock, body);
  try {
    await withFileLock(path, () =>
      writeTextFile(path, text, { isPrivate: true, overwrite: false }),
    );
  } catch (cause) {
    if (!isErrno(cause, 'EEXIST')) throw cause;
    throw new SdkError('keystore_exists', `${path} is there already.`, {
      nextStep: 'Choose another path: keystores are never overwritten.',
      cause,
    });
  }
  return keystoreOf(path, lock, body);
}

/** Throws `keystore_missing`, `keystore_malformed` or `wrong_passphrase`. */
export async function openKeystore(path: string, passphrase: string): Promise<Keystore> {
  const text = await readTextFile(path);
  if (text === null) {
    throw new SdkError('keystore_missing', `There is no keystore at ${path}.`, {
      nextStep: 'Give its path with --keystore, or make one with `carequorum enrol`.',
    });
  }
  const file = parseKeystoreFile(text);
  const lock = await openLock(file, passphrase);
  return keystoreOf(path, lock, await openBody(file, lock));
}

/** Throws `wrong_keystore` unless the keystore is of this kind. */
export function requireKind(keystore: Keystore, kind: KeystoreKind): void {
  if (keystore.kind === kind) return;
  throw new SdkError('wrong_keystore', `${keystore.path} is a keystore of kind ${keystore.kind}.`, {
    nextStep: `Give a keystore of kind ${kind} with --keystore.`,
  });
}

async function keystoreOf(
  path: string,
  madeWith: KeystoreLock,
  body: KeystoreBody,
): Promise<Keystore> {
  let lock = madeWith;
  let { open } = body;
  let keys: FreshKeys = body;
  let pair = await keyPairs(keys);
  if (thumbprint(pair.signingKey.publicKey) !== open.kid) {
    throw new SdkError('keystore_malformed', `${path} holds another key than it says.`, {
      nextStep: 'Take it from a backup.',
    });
  }
  const keystore: Keystore = {
    path,
    kind: open.kind,
    label: open.label,
    get signingKey() {
      return pair.signingKey;
    },
    get kid() {
      return open.kid;
    },
    get publicKey() {
      return pair.signingKey.publicKey;
    },
    get encryption() {
      return pair.encryption;
    },
    data: body.data,
    get keptKeys() {
      const { signingKey, encryptionSeed } = keys;
      return { signingKey, encryptionSeed };
    },
    async replaceKeys(fresh) {
      pair = await keyPairs(fresh);
      keys = { signingKey: fresh.signingKey, encryptionSeed: fresh.encryptionSeed };
      const { publicKey } = pair.signingKey;
      open = { ...open, kid: thumbprint(publicKey), publicKey: toBase64url(publicKey) };
    },
    async save() {
      const next = { ...open, revision: open.revision + 1 };
      const { signingKey, encryptionSeed } = keys;
      const sealed = { open: next, signingKey, encryptionSeed, data: keystore.data };
      const text = await sealKeystore(lock, sealed);
      await withFileLock(path, async () => {
        await refuseIfChanged(path, open.revision);
        await writeTextFile(path, text, { isPrivate: true });
      });
      open = next;
    },
    async relock(passphrase, workFactor = WORK_FACTOR_DEFAULT) {
      lock = await createLock(passphrase, workFactor);
      await keystore.save();
    },
  };
  return keystore;
}

/** Fresh keys, and the same as they are kept. */
export async function makeKeys(): Promise<FreshKeys> {
  const [key, encryption] = await Promise.all([
    generateSigningKey({ extractable: true }),
    xWingKeyPair(),
  ]);
  return {
    signingKey: toBase64url(await exportSigningKey(key)),
    encryptionSeed: toBase64url(encryption.seed),
  };
}

/** Keys to work with, of keys as they are kept. */
export async function keyPairs(
  keys: FreshKeys,
): Promise<{ signingKey: SigningKey; encryption: XWingKeyPair }> {
  const [signingKey, encryption] = await Promise.all([
    importSigningKey(fromBase64url(keys.signingKey)),
    xWingKeyPair(fromBase64url(keys.encryptionSeed)),
  ]);
  return { signingKey, encryption };
}

async function refuseIfChanged(path: string, revision: number): Promise<void> {
  const text = await readTextFile(path);
  if (text !== null && parseKeystoreFile(text).revision === revision) return;
  throw new SdkError('keystore_changed', `${path} was changed by another program.`, {
    nextStep: 'Run the command again, and one at a time for each keystore.',
  });
}
