/** Addresses are logged by everything between two parties: no name of a patient is part of one. */
import { describe, expect, it } from 'vitest';
import { routes as membershipRoutes } from '../../functions/membership/routes.ts';
import { routes as recordsRoutes } from '../../functions/records/routes.ts';
import { copyRoutes } from '../../functions/validator/copies/routes.ts';
import { escrowRoutes } from '../../functions/validator/escrow/routes.ts';
import { routes as validatorRoutes } from '../../functions/validator/routes.ts';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { sha256 } from '../../lib/crypto/hash.ts';

/** What a pseudonym, a handle, a key's name and a category tag look like. */
const names = ['one', 'another', 'a third'].map((seed) => toBase64url(sha256(utf8(seed))));

const routes = [
  ...membershipRoutes,
  ...recordsRoutes,
  ...validatorRoutes,
  ...copyRoutes,
  ...escrowRoutes,
];

/** Names of clinicians are public; whoever looks one up is told nothing about a patient. */
const isPublic = (path: string, name: string): boolean =>
  path === '/v1/directory' && name === 'name';

describe.each(routes.map((one) => [`${one.method} ${one.path}`, one] as const))(
  '%s',
  (_, route) => {
    const { path, parameters = [] } = route;
    const inUrl = parameters.filter((one) => one.in !== 'header' && !isPublic(path, one.name));

    it('says of every part of its address what may stand there', () => {
      const parts = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      const documented = inUrl.filter((one) => one.in === 'path').map(({ name }) => name);
      expect(documented.sort()).toEqual(parts.sort());
    });

    it('takes nothing in its address that could be a pseudonym or a category', () => {
      for (const { name, schema } of inUrl) {
        const taken = names.filter((one) => schema.safeParse(one).success);
        expect({ name, taken }).toEqual({ name, taken: [] });
      }
    });
  },
);
