// No role reaches into another account, but for the send between validators that consensus needs.
import { type Attempt, attemptsOn, sendTo } from './attempts.ts';
import { assumeRole, clientsOf, type Clients } from './emulator-client.ts';
import type { Party } from './resources.ts';

export interface IsolationReport {
  readonly roles: number;
  readonly refused: number;
  readonly allowed: number;
  /** What was not as it must be, a line each. */
  readonly failures: readonly string[];
}

/** Names of the errors by which AWS and the emulator refuse a caller. */
const REFUSALS = /^(AccessDenied|AccessDeniedException|NotAuthorized|403)$/;

/** Tries everything with every role on every other account. */
export async function tryAllRoles(
  endpoint: string,
  parties: readonly Party[],
): Promise<IsolationReport> {
  const failures: string[] = [];
  let refused = 0;
  let allowed = 0;
  const roles = parties.flatMap((party) => party.roles.map((role) => ({ party, role })));
  for (const { party, role } of roles) {
    const clients = clientsOf(endpoint, await assumeRole(endpoint, party.account, role));
    for (const other of parties.filter(({ account }) => account !== party.account)) {
      for (const attempt of attemptsOn(other)) {
        const outcome = await outcomeOf(attempt, clients);
        if (outcome === 'refused') refused += 1;
        else failures.push(`${role}: ${attempt.title} was ${outcome}`);
      }
      if (other.inbox === null) continue;
      const attempt = sendTo(other.inbox);
      const expected = mayVote(party, role) ? 'allowed' : 'refused';
      const outcome = await outcomeOf(attempt, clients);
      if (outcome !== expected) failures.push(`${role}: ${attempt.title} was ${outcome}`);
      else if (outcome === 'allowed') allowed += 1;
      else refused += 1;
    }
  }
  return { roles: roles.length, refused, allowed, failures };
}

/** Only a validator's inbox function speaks to its peers. */
function mayVote(party: Party, role: string): boolean {
  return party.inbox !== null && role.endsWith('-inbox');
}

/** `refused`, `allowed`, or another error's name: a refusal must be for want of permission. */
async function outcomeOf(attempt: Attempt, clients: Clients): Promise<string> {
  try {
    await attempt.run(clients);
    return 'allowed';
  } catch (error) {
    const name = error instanceof Error ? error.name : String(error);
    return REFUSALS.test(name) ? 'refused' : `neither allowed nor refused (${String(error)})`;
  }
}
