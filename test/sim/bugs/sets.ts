/** Seeded bugs of sets, incarnations and lost memory. */
import type { SeededBug } from './bug.ts';

export const setBugs: readonly SeededBug[] = [
  {
    name: 'set-change-early',
    rule: 'L7, h + 2',
    summary: 'what a block changes acts at the very next height',
    edits: [
      {
        file: 'lib/pbft/seats.ts',
        find: '  const next = isCase ? after : state.upcoming;\n',
        put: '  const next = after ?? state.upcoming;\n',
      },
    ],
  },
  {
    name: 'old-incarnation-counted',
    rule: 'L18, section 10',
    summary: 'votes under a session of an earlier incarnation count',
    edits: [
      {
        file: 'lib/wire/session.ts',
        find: '  if (body.incarnation !== wanted.incarnation) return false;\n',
        put: '',
      },
      {
        file: 'lib/pbft/seats.ts',
        find: "    state.sessions = next.sessions.filter(({ body }) => body.purpose === 'vote');",
        put: "    state.sessions = [...state.sessions, ...next.sessions.filter(({ body }) => body.purpose === 'vote')];",
      },
      {
        file: 'lib/pbft/seats.ts',
        find: 'return session === seat.incarnation && session !== forgot;',
        put: 'return session >= 0 && forgot === forgot;',
      },
    ],
  },
  {
    name: 'forgotten-votes-ignored',
    rule: 'L18',
    summary: 'a replica whose tables were restored votes on as if it remembered',
    edits: [
      {
        file: 'lib/pbft/amnesia.ts',
        find: '  if (!mayVote(state)) return false;\n',
        put: '  if (state.learner || !state.learner) return false;\n',
      },
    ],
  },
  {
    name: 'stale-view-changes-counted',
    rule: 'L22',
    summary: 'view-changes of an old set are kept and count in the new one',
    edits: [
      {
        file: 'lib/pbft/view-change.ts',
        find: '  state.viewChanges = state.viewChanges.filter((one) => one.vote.height >= height);\n',
        put: '  if (height < 0) state.viewChanges = [];\n',
      },
    ],
  },
  {
    name: 'learner-votes',
    rule: 'L18',
    summary: 'a replica votes with a session key that is not of its incarnation',
    edits: [
      {
        file: 'lib/pbft/seats.ts',
        find: 'return session === seat.incarnation && session !== forgot;',
        put: 'return session >= 0;',
      },
    ],
  },
  {
    name: 'one-set-for-all-heights',
    rule: 'L22, judged by the set of its height',
    summary: 'votes of every height are judged by the set of the next one',
    edits: [
      {
        file: 'lib/pbft/seats.ts',
        find: '  if (height < next) return state.previous ?? state;\n  return height === next ? state : (state.upcoming ?? state);',
        put: '  return height >= next ? state : state;',
      },
    ],
  },
];
