/** Versions of the chaincode that this bundle carries; parameters name the one that executes. */
import type { ChaincodeContext } from './functions.ts';

/** Version 2 adds `governance.withdraw`. */
export const chaincodeVersions = { min: 1, max: 2 } as const;

/** @throws RangeError where this bundle lacks the version: execution must stop */
export function requireVersion({ parameters }: Pick<ChaincodeContext, 'parameters'>): void {
  const { chaincodeVersion } = parameters;
  if (chaincodeVersion < chaincodeVersions.min || chaincodeVersion > chaincodeVersions.max) {
    throw new RangeError(`chaincode ${chaincodeVersion} is not in this bundle`);
  }
}
