/** No honest replica is blamed, and none stops itself: both need a bug or more than f faulty. */
import type { World } from '../world.ts';
import type { Checker } from './checker.ts';

export function blame(world: World): Checker {
  const name = 'blame';
  return {
    name,
    onStep(node, state) {
      if (state.halted) world.fail('halted', `${node.name} stopped: ${state.halted}`);
      for (const { id, suspended } of state.validators) {
        if (suspended && !world.isFaulty(id))
          world.fail(name, `${id} is suspended at ${node.name}`);
      }
    },
  };
}
