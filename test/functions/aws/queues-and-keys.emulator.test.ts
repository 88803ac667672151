import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { CreateKeyCommand } from '@aws-sdk/client-kms';
import { CreateQueueCommand, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { decodeInboxMessage } from '../../../functions/aws/inbox-message.ts';
import { kmsEnvelope } from '../../../functions/aws/kms-envelope.ts';
import { kmsPublicKey, kmsSigningKey } from '../../../functions/aws/kms-signing-key.ts';
import { sqsPeerSender } from '../../../functions/aws/sqs-peer-sender.ts';
import { sqsInboxSender, sqsSelfSender } from '../../../functions/aws/sqs-self-sender.ts';
import { decodeTimerMessage } from '../../../functions/aws/timer-message.ts';
import { utf8 } from '../../../lib/crypto/bytes.ts';
import { isLowS, verifyP256 } from '../../../lib/crypto/p256.ts';
import { Emulator, ministack, WITHOUT_EMULATOR } from './emulator.ts';

let emulator: Emulator;
let sqs: SQSClient;
let queues = 0;

beforeAll(async () => {
  if (!ministack) return;
  emulator = await Emulator.start(ministack);
  sqs = emulator.sqs();
});
afterAll(async () => {
  if (ministack) await emulator.stop();
});

async function queue(kind: 'fifo' | 'standard'): Promise<string> {
  queues += 1;
  const isFifo = kind === 'fifo';
  const { QueueUrl } = await sqs.send(
    new CreateQueueCommand({
      QueueName: `queue-${queues}${isFifo ? '.fifo' : ''}`,
      ...(isFifo ? { Attributes: { FifoQueue: 'true' } } : {}),
    }),
  );
  return QueueUrl ?? '';
}

async function receive(url: string) {
  const { Messages } = await sqs.send(
    new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: 10,
      MessageSystemAttributeNames: ['All'],
    }),
  );
  return Messages ?? [];
}

describe.skipIf(!ministack)(`SQS (${ministack ? 'MiniStack' : WITHOUT_EMULATOR})`, () => {
  it('sends to a peer by the host of its URL, in a group, once per id', async () => {
    const url = await queue('fifo');
    const peers = sqsPeerSender(sqs, { east: url });
    const options = { group: 'main', deduplicationId: 'one' };
    await peers.send('east', 'peer:abc', options);
    await peers.send('east', 'peer:abc', options);
    const messages = await receive(url);
    expect(messages.map(({ Body }) => Body)).toEqual(['peer:abc']);
    expect(messages[0]?.Attributes?.['MessageGroupId']).toBe('main');
    await expect(peers.send('west', 'x', options)).rejects.toThrow(RangeError);
  });

  it('gives up after a second on a peer that does not answer', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    onTestFinished(() => void silent.close());
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const peers = sqsPeerSender(sqs, { east: `http://127.0.0.1:${port}/111111111111/a.fifo` });
    const startedAt = performance.now();
    const options = { group: 'main', deduplicationId: 'one' };
    await expect(peers.send('east', 'x', options)).rejects.toThrow();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });

  it('sends one wake for each wakeSeq', async () => {
    const url = await queue('fifo');
    const secret = new Uint8Array(32).fill(1);
    const inbox = sqsInboxSender(sqs, url, () => Promise.resolve(secret));
    for (const seq of [1, 1, 1, 2]) await inbox.wake('main', seq);
    await inbox.send({ kind: 'tick', ledger: 'main', due: null });
    await inbox.send({ kind: 'tick', ledger: 'main', due: null });
    const kinds = (await receive(url)).map(({ Body }) => decodeInboxMessage(Body ?? '').kind);
    expect(kinds).toEqual(['wake', 'wake', 'tick', 'tick']);
  });

  it('delays ticks, and asks to catch up at once', async () => {
    const url = await queue('standard');
    const self = sqsSelfSender(sqs, url);
    await self.tick('main', { due: 1_800_000_000_000, delaySeconds: 2 });
    await self.catchUp('main', { fromHeight: 3, toHeight: 9 });
    const messages = await receive(url);
    expect(messages.map(({ Body }) => decodeTimerMessage(Body ?? ''))).toEqual([
      { kind: 'catch-up', ledger: 'main', fromHeight: 3, toHeight: 9 },
    ]);
  });
});

describe.skipIf(!ministack)(`KMS (${ministack ? 'MiniStack' : WITHOUT_EMULATOR})`, () => {
  it('signs with low S, as the public key verifies', async () => {
    const kms = emulator.kms();
    const { KeyMetadata } = await kms.send(
      new CreateKeyCommand({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }),
    );
    const key = await kmsSigningKey(kms, KeyMetadata?.KeyId ?? '');
    expect(await kmsPublicKey(kms, KeyMetadata?.KeyId ?? '')).toEqual(key.publicKey);
    for (let i = 0; i < 12; i += 1) {
      const data = utf8(`message ${i}`);
      const signature = await key.sign(data);
      expect(isLowS(signature)).toBe(true);
      expect(await verifyP256(key.publicKey, data, signature)).toBe(true);
    }
  });

  it('does not remember a failure', async () => {
    const kms = emulator.kms();
    await expect(kmsPublicKey(kms, 'none')).rejects.toThrow();
    await expect(kmsPublicKey(kms, 'none')).rejects.toThrow();
  });

  it('unwraps for the purpose and the validator that it wrapped for', async () => {
    const kms = emulator.kms();
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    const wrap = kmsEnvelope(kms, KeyMetadata?.KeyId ?? '', 'north');
    const wrapped = await wrap.wrap('session', utf8('secret'));
    expect(await wrap.unwrap('session', wrapped)).toEqual(utf8('secret'));
    await expect(wrap.unwrap('read', wrapped)).rejects.toThrow();
    const other = kmsEnvelope(kms, KeyMetadata?.KeyId ?? '', 'east');
    await expect(other.unwrap('session', wrapped)).rejects.toThrow();
    await expect(wrap.wrap('share', new Uint8Array(5_000))).rejects.toMatchObject({
      code: 'too_large',
    });
  });
});
