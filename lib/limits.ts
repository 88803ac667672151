/** Every bound of queues, batches, loops and payloads in one place; unit and qualifier last. */
export const limits = {
  /** A transaction's compact JWS, bytes. */
  transactionBytesMax: 64 * 1024,
  /** Longest validity of a transaction or query, milliseconds (design: 15 minutes). */
  validityMsMax: 15 * 60 * 1000,
  /** Bytes of all transactions in one block; base64 and the 1 MiB of SQS bound it. */
  blockBytesMax: 512 * 1024,
  blockTransactionsMax: 2000,
  /** Results and values written by a block, bytes: no transaction follows once they are reached. */
  blockEffectBytesMax: 2 * 1024 * 1024,
  /** One consensus envelope before base64url, bytes (SQS carries 1 MiB of text). */
  envelopeBytesMax: 768 * 1024,
  envelopeMessagesMax: 256,
  forwardBytesMax: 512 * 1024,
  batchTransactionsMax: 500,
  batchBytesMax: 4 * 1024 * 1024,
  validatorsMax: 31,
  /** One value of state, bytes. */
  stateValueBytesMax: 64 * 1024,
  stateKeyBytesMax: 512,
  /** DynamoDB item payload that we put, bytes. */
  chunkBytesMax: 350 * 1024,
  /** A page of tree nodes, bytes: small enough to read for one key, large enough to batch. */
  treePageBytesMax: 32 * 1024,
  mempoolTransactionsMax: 20_000,
  /** Bytes of a request that use one turn of its submitter (`lib/pbft/fair-order.ts`). */
  turnBytes: 8 * 1024,
  /** Requests that a leader holds for its peers in memory: turns of a ledger, bytes of all ledgers. */
  handedTurnsMax: 16_384,
  handedBytesMax: 16 * 1024 * 1024,
  /** Of these, how many are looked at again in a step, by turn and by arrival. */
  handedCheckedMax: 2_000,
  /** Turns that one submitter may have waiting at a validator, and what it has in a crowd. */
  submitterTurnsMax: 1_250,
  submitterTurnsMin: 16,
  /** Requests that peers say have waited longest, at the front of a block, bytes. */
  waitedBytesMax: 256 * 1024,
  /** Signature checks that a replica makes for one peer in one step. */
  checksPerPeerMax: 2_000,
  /** What one account may send to an inbox in a window, and how long it is cut off beyond. */
  inboxWindowMs: 10_000,
  inboxMessagesPerSenderMax: 1_000,
  inboxBytesPerSenderMax: 64 * 1024 * 1024,
  /** Of one account in one batch: what a process may be made to read that remembers nothing. */
  inboxBatchBytesPerSenderMax: 4 * 1024 * 1024,
  inboxCutOffMs: 60_000,
  queryProofsMax: 2000,
  waitMsMax: 20_000,
  catchUpBlocksMax: 64,
  /** How long one step executes fetched blocks, milliseconds: a run of the function is 10 s. */
  replayMsMax: 3_000,
  /** Blocks of the main ledger by which what a case ledger pins afresh may be behind. */
  pinLagMax: 64,
  /** State keys that a warm replica keeps of its head, absent ones too. */
  viewKeysMax: 32_768,
  /** How long a request that was good on the head is not looked at again, milliseconds. */
  checkedMs: 1_000,
  /** Case ledgers that a warm process remembers. */
  warmLedgersMax: 64,
  /** A replica that lacks fewer blocks than this executes them; else it takes a snapshot. */
  snapshotBehindMin: 256,
  /** Pages of one answer to a peer, and their bytes: as base64url they fit a Lambda answer. */
  snapshotPagesMax: 256,
  snapshotChunkBytesMax: 4 * 1024 * 1024 - 64 * 1024,
  /** Set changes in one answer to a peer. */
  setLinksMax: 64,
  outboxPerPeerMax: 64,
  /** How long a receipt may open a record after its block, whatever the parameters, milliseconds. */
  receiptUsableMsMax: 300_000,
  /** A genesis document on its way to a validator that lost it, before base64url, bytes. */
  recoveryBytesMax: 720 * 1024,
  /** Bytes of a genesis document. */
  genesisBytesMax: 512 * 1024,
} as const;
