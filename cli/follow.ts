/** What a patient's login does by itself: follows grantees whose keys changed, or who lapsed. */
import type { Patient } from '../sdk/patient.ts';
import { tend, type Tended } from '../sdk/tend.ts';
import type { CommandContext } from './context.ts';

/** Seals anew and renews keys as the ledger calls for; says what was done. */
export async function followChanges(
  context: CommandContext,
  patient: Patient,
): Promise<Tended['undecided']> {
  if (patient.data.registered === undefined) return [];
  const tended = await context.work('Following what changed', () => tend(patient));
  const { resealed, lapsed, undecided } = tended;
  for (const name of new Set(resealed.map(({ recipient }) => recipient.name))) {
    context.note(`${name} has new keys: what you granted was sealed to them anew.`);
  }
  if (lapsed.length > 0) {
    context.note(
      'Somebody may no longer practise, or your representative ended a permission: your keys were ' +
        'renewed, so that whoever held it reads nothing new.',
    );
  }
  return undecided;
}
