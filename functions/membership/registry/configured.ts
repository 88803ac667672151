/** The registries that a network's configuration names, and what they are made of. */

import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import type { MembershipContext } from '../context.ts';
import { combinedRegistry } from './combined.ts';
import { deactivationList } from './deactivation.ts';
import { licenceList, licenceMappingSchema } from './licence-list.ts';
import { listAt } from './list.ts';
import { npdbGateway } from './npdb.ts';
import { nppesRegistry } from './nppes.ts';

const urlField = z.url({ protocol: /^https?$/ });

/** Beside NPPES itself; each may be left out. They fit the environment of a function. */
export const registryListsSchema = z.strictObject({
  /** NPPES' list of deactivated numbers, as CSV. */
  deactivationUrl: urlField.optional(),
  licenceLists: z.array(licenceMappingSchema).max(4).default([]),
  /** Gateway of a registered entity to NPDB. */
  npdbUrl: urlField.optional(),
  /** Certificate, DER in base64, of whoever certifies self-queries. */
  npdbIssuer: z.base64().max(4_096).optional(),
});
export type RegistryLists = z.infer<typeof registryListsSchema>;

export function registriesOf(
  registryUrl: string,
  { deactivationUrl, licenceLists, npdbUrl, npdbIssuer }: RegistryLists,
  now: () => number,
): Pick<MembershipContext, 'registry' | 'npdb'> {
  const issuer = npdbIssuer === undefined ? null : Buffer.from(npdbIssuer, 'base64');
  return {
    registry: combinedRegistry({
      numbers: nppesRegistry(registryUrl),
      deactivations:
        deactivationUrl === undefined ? undefined : deactivationList(listAt(deactivationUrl), now),
      licences: licenceLists.map((one) => licenceList(one, listAt(one.url), now)),
    }),
    npdb: {
      service: npdbUrl === undefined ? null : npdbGateway(npdbUrl),
      issuer: issuer && new X509Certificate(issuer),
    },
  };
}
