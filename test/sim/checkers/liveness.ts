/**
 * Liveness: within bounds after healing every transaction is committed, without the help of the
 * five-minute schedule, and every honest replica holds it.
 */
import { shortName } from '../describe.ts';
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function liveness(world: World): Checker {
  const name = 'liveness';
  return {
    name,
    atEnd() {
      const { servedMs, liveMs } = world.profile;
      const served = (world.servedAt ?? Infinity) - (world.healedAt ?? 0);
      if (served > servedMs) {
        world.fail(name, `not all was committed anywhere ${servedMs} ms after healing`);
      }
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
      world.fail(name, `${liveMs} ms after healing: ${lags.join('; ')}`);
    },
  };
}
