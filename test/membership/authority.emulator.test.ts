/** The authority and the vault on real KMS calls: made once, the same after a restart. */
import { CreateKeyCommand } from '@aws-sdk/client-kms';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyAuthority } from '../../lib/membership/certificates.ts';
import { kmsSigningKey } from '../../functions/aws/kms-signing-key.ts';
import { authorityCertificate } from '../../functions/membership/authority.ts';
import { kmsSecretWrap } from '../../functions/membership/secret-wrap.ts';
import { dynamoItemStore } from '../../functions/aws/dynamo-item-store.ts';
import { createVault } from '../../functions/membership/vault.ts';
import { Emulator, ministack, WITHOUT_EMULATOR } from '../functions/aws/emulator.ts';

let emulator: Emulator;
beforeAll(async () => {
  if (ministack) emulator = await Emulator.start(ministack);
});
afterAll(async () => {
  if (ministack) await emulator.stop();
});

describe.skipIf(!ministack)(`KMS (${ministack ? 'MiniStack' : WITHOUT_EMULATOR})`, () => {
  it('signs one certificate, whoever asks first', async () => {
    const client = emulator.kms();
    const { KeyMetadata } = await client.send(
      new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
    );
    const store = dynamoItemStore(await emulator.table());
    const context = {
      network: 'local-test',
      store,
      authorityKeys: async () => [await kmsSigningKey(client, KeyMetadata?.KeyId ?? '')],
      now: () => Date.now(),
    };
    const [first, second] = await Promise.all([
      authorityCertificate(context),
      authorityCertificate(context),
    ]);
    expect(first).toEqual(second);
    const parsed = await verifyAuthority(first, 'local-test');
    expect(parsed.publicKey).toEqual((await context.authorityKeys())[0]?.publicKey);
  });

  it('opens identities and finds digests after a restart', async () => {
    const client = emulator.kms();
    const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
    const store = dynamoItemStore(await emulator.table());
    const wrap = kmsSecretWrap(client, KeyMetadata?.KeyId ?? '', 'local-test');
    const [before, after] = [createVault(store, wrap), createVault(store, wrap)];
    const sealed = await before.seal('one', { name: 'Ada' });
    expect(await after.open('one', sealed)).toEqual({ name: 'Ada' });
    await expect(after.open('two', sealed)).rejects.toThrow();
    const changed = sealed.map((byte, index) => (index === sealed.length - 1 ? byte ^ 1 : byte));
    await expect(after.open('one', changed)).rejects.toThrow();
    expect(await after.digest('npi', '1')).toBe(await before.digest('npi', '1'));
    expect(await after.digest('name', '1')).not.toBe(await before.digest('npi', '1'));
    const wrapped = await wrap.wrap('identity', Uint8Array.of(1, 2, 3));
    await expect(wrap.unwrap('lookup', wrapped)).rejects.toThrow();
  });
});
