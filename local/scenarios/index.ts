// The scenarios of `npm run demo`, by name.
import { LocalError } from '../lib/errors.ts';
import { connected } from './connected.ts';
import { hospitalStay } from './case.ts';
import { emergency } from './emergency.ts';
import { erasure } from './erasure.ts';
import { journey } from './journey.ts';
import { lyingCa } from './lying-ca.ts';
import { outage } from './outage.ts';
import { recovery } from './recovery.ts';
import { representative } from './representative.ts';
import { research } from './research.ts';
import { rotation } from './rotation.ts';
import type { Scenario } from './scenario.ts';

export const scenarios: readonly Scenario[] = [
  journey,
  lyingCa,
  rotation,
  recovery,
  representative,
  emergency,
  hospitalStay,
  outage,
  erasure,
  connected,
  research,
];

/** The named ones; `all` is every one. Throws LocalError for a name that is none. */
export function scenariosNamed(names: readonly string[]): Scenario[] {
  if (names.includes('all')) return [...scenarios];
  return names.map((name) => {
    const found = scenarios.find((one) => one.name === name);
    if (found) return found;
    const known = scenarios.map((one) => one.name).join(', ');
    throw new LocalError('bad_option', `There is no scenario «${name}».`, {
      cure: `--scenario all, or one of: ${known}`,
    });
  });
}
