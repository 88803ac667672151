import { expect, it } from 'vitest';
import {
  MemoryInboxSender,
  MemoryPeerSender,
  MemorySelfSender,
} from '../../../functions/memory/senders.ts';

it('senders in memory keep what was sent, in order', async () => {
  const peers = new MemoryPeerSender();
  await peers.send('east', 'peer:abc', { group: 'main', deduplicationId: 'one' });
  expect(peers.sent).toEqual([
    { peer: 'east', body: 'peer:abc', group: 'main', deduplicationId: 'one' },
  ]);
  const self = new MemorySelfSender();
  await self.tick('main', { due: 7, delaySeconds: 2 });
  await self.catchUp('main', { fromHeight: 1, toHeight: 5 });
  expect(self.sent).toEqual([
    { kind: 'tick', ledger: 'main', due: 7, delaySeconds: 2 },
    { kind: 'catch-up', ledger: 'main', fromHeight: 1, toHeight: 5 },
  ]);
});

it('the inbox drops a second wake under one wakeSeq', async () => {
  const inbox = new MemoryInboxSender();
  for (const seq of [1, 1, 2]) await inbox.wake('main', seq);
  await inbox.wake('case-1', 2);
  expect(inbox.sent).toEqual([
    { kind: 'wake', ledger: 'main' },
    { kind: 'wake', ledger: 'main' },
    { kind: 'wake', ledger: 'case-1' },
  ]);
});
