/** Seeded bugs of case ledgers. */
import type { SeededBug } from './bug.ts';

const pinned = '  return main && { height: main.head.height, hash: main.head.headerHash };\n';

export const caseBugs: readonly SeededBug[] = [
  {
    name: 'pin-goes-back',
    rule: 'L23',
    summary:
      'every other block of a case pins an earlier block of the main ledger, and nobody minds',
    edits: [
      {
        file: 'functions/validator/replica/perform.ts',
        find: 'function pinNow({ main }: Run): Pin | null {\n',
        put: 'function pinNow({ main, state }: Run): Pin | null {\n  const { height = 0, header, headerHash: hash } = main?.head ?? {};\n  if (header && height > 1 && state.head.header.height % 2 === 1) return { height: height - 1, hash: header.previousHash };\n  if (header && hash) return { height, hash };\n',
      },
      {
        file: 'lib/pbft/proposal.ts',
        find: "  if (pin.height < before.height) return 'what is pinned goes back';\n",
        put: '',
      },
      {
        file: 'lib/pbft/proposal.ts',
        find: 'const isSame = pin.height > before.height ||',
        put: 'const isSame = pin.height !== before.height ||',
      },
    ],
  },
  {
    name: 'pin-not-certified',
    rule: 'L23',
    summary: 'a case pins what is no block of the main ledger, and nobody compares',
    edits: [
      {
        file: 'functions/validator/replica/perform.ts',
        find: pinned,
        put: '  return main && { height: main.head.height, hash: main.head.header.stateRoot };\n',
      },
      {
        file: 'functions/validator/replica/main-state.ts',
        find: '  if (!equalBytes(headerHash(header), pin.hash)) return null;\n',
        put: '  if (equalBytes(headerHash(header), new Uint8Array(32))) return null;\n',
      },
    ],
  },
  {
    name: 'set-of-present-pin',
    rule: 'L23',
    summary:
      'a case block is voted on by the set of what it pins now, not of what the block before pins',
    edits: [
      {
        file: 'functions/validator/replica/run.ts',
        find: "import { mainHead, type MainHead } from './main-state.ts';\n",
        put: "import { governsAt, mainHead, type MainHead } from './main-state.ts';\n",
      },
      {
        file: 'functions/validator/replica/run.ts',
        find: '  const loaded = withSession(warm.record.state, runtime.signer?.incarnation ?? null);\n',
        put: `  const governed = main && (await governsAt(runtime, main.head.height));
  const votes = governed?.sessions.filter(({ body }) => body.purpose === 'vote') ?? [];
  const present = { ...warm.record.state, ...governed, ...(governed ? { sessions: votes } : {}) };
  const loaded = withSession(present, runtime.signer?.incarnation ?? null);
`,
      },
    ],
  },
  {
    name: 'pin-lag-ignored',
    rule: 'L23',
    summary: 'what a fresh proposal of a case pins may be as old as it likes',
    edits: [
      {
        file: 'lib/pbft/proposal.ts',
        find: "  return main.height - pin.height > limits.pinLagMax ? 'what is pinned is old' : null;\n",
        put: '  return null;\n',
      },
    ],
  },
  {
    name: 'unknown-ledger-accepted',
    rule: 'L23',
    summary: 'a replica begins any ledger that it is told of',
    edits: [
      {
        file: 'functions/validator/replica/main-state.ts',
        find: '  return found && { head, view, found };\n',
        put: '  return { head, view, found: found ?? { height: 0, closed: null } };\n',
      },
    ],
  },
];
