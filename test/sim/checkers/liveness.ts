/** Liveness: within a bound after healing every honest replica holds every transaction. */
import { shortName } from '../describe.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function liveness(world: World): Checker {
  const name = 'liveness';
  return {
    name,
    atEnd() {
      if (world.liveAt !== null) return;
      const judged = world.judged();
      const lags = judged.map((one) => {
        const missing = [...world.submitted.values()]
          .filter(({ compact }) => !one.observed.executed.has(compact))
          .map(({ label }) => label);
        const lacks = missing.length > 0 ? ` lacks ${missing.join(' ')}` : '';
        return `${shortName(one.name)} h${one.observed.height} v${one.observed.view}${lacks}`;
      });
      const away = world.awaited().map((one) => shortName(one.name));
      if (away.length > 0) lags.push(`not back: ${away.join(' ')}`);
      world.fail(name, `${world.profile.liveMs} ms after healing: ${lags.join('; ')}`);
    },
  };
}
