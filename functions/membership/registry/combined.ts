/** Several registries as one: all must confirm, one that ends ends, one that is down waits. */

import type { DeactivationList } from './deactivation.ts';
import type { LicenceList } from './licence-list.ts';
import type { Registry, RegistryVerdict } from './registry.ts';

export interface Registries {
  numbers: Registry;
  deactivations?: DeactivationList | undefined;
  licences?: readonly LicenceList[] | undefined;
}

/** From what ends a claim to what lets it pass: the first that any registry says is the word. */
const order: readonly RegistryVerdict[] = [
  'ended',
  'not_verified',
  'unavailable',
  'review',
  'verified',
];

export function combinedRegistry({ numbers, deactivations, licences = [] }: Registries): Registry {
  return {
    async verify(claim) {
      const verdicts = await Promise.all([
        numbers.verify(claim),
        deactivations ? byList(deactivations, claim.npi) : ('verified' as const),
        ...licences.map((list) => list.judge(claim)),
      ]);
      return order.find((one) => verdicts.includes(one)) ?? 'not_verified';
    },
  };
}

async function byList(list: DeactivationList, npi: string): Promise<RegistryVerdict> {
  const isListed = await list.has(npi);
  if (isListed === null) return 'unavailable';
  return isListed ? 'ended' : 'verified';
}
