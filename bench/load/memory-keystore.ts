/** A keystore that is no file: the people of a load are forgotten with the run. */
import { type Keystore, keyPairs, makeKeys } from '../../sdk/keystore.ts';
import type { KeystoreKind } from '../../sdk/keystore-format.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';

export async function memoryKeystore(kind: KeystoreKind, label: string): Promise<Keystore> {
  let keys = await makeKeys();
  let pair = await keyPairs(keys);
  return {
    path: `${label}, in memory`,
    kind,
    label,
    get signingKey() {
      return pair.signingKey;
    },
    get kid() {
      return thumbprint(pair.signingKey.publicKey);
    },
    get publicKey() {
      return pair.signingKey.publicKey;
    },
    get encryption() {
      return pair.encryption;
    },
    data: {},
    get keptKeys() {
      return keys;
    },
    async replaceKeys(fresh) {
      pair = await keyPairs(fresh);
      keys = fresh;
    },
    save: () => Promise.resolve(),
    relock: () => Promise.resolve(),
  };
}
