/** What a hospital may copy of its own care teams: seals that nobody there can open (design §9). */
import { z } from 'zod';
import { identityOf } from './actor.ts';
import { ChaincodeError } from './errors.ts';
import { idField } from './fields.ts';
import { defineTransaction } from './functions.ts';
import { keys } from './keys.ts';
import { countedSeals, openTeam, teamPermit } from './team-parts.ts';

export const copyTeam = defineTransaction({
  name: 'copy.team',
  summary:
    'Permits a hospital to copy what members of its own care team sealed to each other, so that ' +
    'they can read by the team’s grants while the custodian is away.',
  roles: ['hospital'],
  schema: z.strictObject({ teamId: idField }),
  hints: ({ teamId }) => [keys.team(teamId)],
  async run({ teamId }, { actor, draft, context }) {
    const { hospital } = identityOf(actor).identity;
    const team = await openTeam(draft.reader, teamId);
    if (team.hospital !== hospital) throw new ChaincodeError('other_hospital');
    const seals = await countedSeals(draft.reader, team.members);
    return {
      ...(await teamPermit(draft.reader, team, seals)),
      seals: seals.map(({ kid, digest }) => ({ kid, digest })),
      readerKid: actor.kid,
      usableUntil: context.time + context.parameters.receiptUsableMs,
    };
  },
});
