/** Seeded bugs of the step: fence, outbox, queues, tables, mempool. */
import type { SeededBug } from './bug.ts';

export const storageBugs: readonly SeededBug[] = [
  {
    name: 'fence-removed',
    rule: 'section 5, the fence',
    summary: 'whoever saves last wins, though another run was first',
    edits: [
      {
        file: 'functions/validator/replica/send.ts',
        find: 'save(ledger, warm.version, encoded, head)',
        put: 'save(ledger, await runtime.ports.replicas.version(ledger), encoded, head)',
      },
    ],
  },
  {
    name: 'warm-memory-believed',
    rule: 'section 5, the fence',
    summary: 'a warm process uses what it remembers without asking for the version',
    edits: [
      {
        file: 'functions/validator/replica/run.ts',
        find: 'if (held && (await runtime.ports.replicas.version(ledger)) === held.version) return held;',
        put: 'if (held) return held;',
      },
      {
        file: 'functions/validator/step.ts',
        find: '    runtime.warm.delete(ledger);\n',
        put: '',
      },
    ],
  },
  {
    name: 'outbox-dropped',
    rule: 'section 5, resend',
    summary: 'what a dead run still owed is not sent by the next one',
    edits: [
      {
        file: 'functions/validator/step.ts',
        find: '    if (!run.warm.sent) await sendOutbox(run);\n',
        put: '    run.warm.sent = true;\n',
      },
    ],
  },
  {
    name: 'predictable-deduplication-id',
    rule: 'section 5, deduplication',
    summary:
      'ids follow from the content: a queue drops what is said again, and peers can guess them',
    edits: [
      {
        file: 'functions/validator/replica/send.ts',
        find: 'entries.push({ to, deduplicationId: run.runtime.freshId(), messages: small });',
        put: 'entries.push({ to, deduplicationId: `${run.state.self}-${run.state.head.header.height}`, messages: small });',
      },
    ],
  },
  {
    name: 'lost-wake',
    rule: 'L1',
    summary: 'wakeSeq is not raised before the mempool is read: a wake can be dropped by its name',
    edits: [
      {
        file: 'functions/validator/replica/pending.ts',
        find: '  await run.runtime.ports.replicas.raiseWake(run.ledger);\n',
        put: '',
      },
    ],
  },
  {
    name: 'body-not-staged',
    rule: 'L5, durable',
    summary: 'a replica prepares a block that it has not stored',
    edits: [
      {
        file: 'functions/validator/replica/perform.ts',
        find: '  await stageBlock(runtime, run.ledger, block);\n  run.warm.bodies.set(named',
        put: '  run.warm.bodies.set(named',
      },
    ],
  },
  {
    name: 'header-not-written',
    rule: 'L7',
    summary: 'the head moves, and the certified header is not there',
    edits: [
      {
        file: 'functions/validator/replica/perform.ts',
        find: '  await runtime.ports.blocks.putCertified(ledger, header, hash, certificate);\n',
        put: '  if (header.height < 0) await runtime.ports.blocks.putCertified(ledger, header, hash, certificate);\n',
      },
    ],
  },
  {
    name: 'executed-twice',
    rule: 'section 3 of the formats, (key, nonce) once',
    summary: 'a transaction that was committed may be committed again',
    edits: [
      {
        file: 'lib/chaincode/seen.ts',
        find: 'export async function wasSeen(view: StateView, transaction: Signed): Promise<boolean> {\n',
        put: 'export async function wasSeen(view: StateView, transaction: Signed): Promise<boolean> {\n  if (transaction.nonce.length > 0) return false;\n',
      },
    ],
  },
  {
    name: 'forgotten-when-proposed',
    rule: 'L1, nothing accepted is lost',
    summary: 'a request leaves the mempool when it is proposed, not when it is committed',
    edits: [
      {
        file: 'functions/validator/replica/perform.ts',
        find: '    run.warm.bodies.set(toHex(block.hash), block.transactions, block.refused);\n',
        put: '    run.warm.bodies.set(toHex(block.hash), block.transactions, block.refused);\n    await runtime.ports.mempool.remove(run.ledger, run.warm.pending.entries);\n    run.warm.pending = { ...run.warm.pending, entries: [] };\n',
      },
    ],
  },
  {
    name: 'signatures-of-requests-not-verified',
    rule: 'L5',
    summary: 'a leader can put a transaction into a block that nobody signed',
    edits: [
      {
        file: 'functions/validator/replica/execute-block.ts',
        find: 'if (!(await verifyTransaction(transaction, keys, runtime.verify))) return',
        put: 'if (transaction.compact.length < 0) return',
      },
    ],
  },
  {
    name: 'poison-throws',
    rule: 'actor hygiene',
    summary: 'malformed content fails the batch that it came in, for ever',
    edits: [
      {
        file: 'functions/validator/inbox-batch.ts',
        find: "    return error instanceof WireError ? error.code : 'malformed';\n",
        put: '    throw error;\n',
      },
    ],
  },
  {
    name: 'catch-up-never',
    rule: 'L17',
    summary: 'a replica that is far behind stays there',
    edits: [
      {
        file: 'functions/validator/replica/send.ts',
        find: 'if (run.catchUp) waits.push(',
        put: 'if (run.catchUp && ledger.length === 0) waits.push(',
      },
    ],
  },
];
