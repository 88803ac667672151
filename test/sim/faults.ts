/** Ports that die: after a counted number of writes or sends the process is gone. */
import type { StepPorts } from '../../functions/validator/runtime.ts';

/** Thrown in the place of the write or send at which the process dies. */
export class CrashError extends Error {
  override readonly name = 'CrashError';
}

export interface CrashSwitch {
  /** Writes and sends until the crash; Infinity for never. */
  remaining: number;
  /** Whether the operation at which it dies still takes effect. */
  after: boolean;
  operations: number;
}

const mutating = new Set([
  'save',
  'raiseWake',
  'stageBody',
  'stageEvents',
  'putCertified',
  'putPages',
  'submit',
  'remove',
  'put',
  'send',
  'tick',
  'catchUp',
]);

/** Wraps every port so that each write or send counts down to the crash. */
export function crashing(ports: StepPorts, crash: CrashSwitch): StepPorts {
  const wrapped = Object.entries(ports).map(([name, port]) => [name, wrap(port as object, crash)]);
  return Object.fromEntries(wrapped) as StepPorts;
}

function wrap(port: object, crash: CrashSwitch): object {
  return new Proxy(port, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (typeof value !== 'function') return value;
      const bound = value.bind(target) as (...args: unknown[]) => unknown;
      if (!mutating.has(String(property))) return bound;
      return async (...args: unknown[]): Promise<unknown> => {
        crash.operations += 1;
        crash.remaining -= 1;
        if (crash.remaining >= 0) return bound(...args);
        if (crash.remaining === -1 && crash.after) await bound(...args);
        throw new CrashError(`died at ${String(property)}`);
      };
    },
  });
}
