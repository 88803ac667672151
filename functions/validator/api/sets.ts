/**
 * Set changes for anyone who follows validators from genesis; every receipt shows the same. A link is
 * written before the head moves and may hold an own vote that is not saved: none above the head.
 */

import { toBase64url } from '../../../lib/crypto/bytes.ts';
import { MAIN_LEDGER } from '../../../lib/wire/ledger.ts';
import { limits } from '../../../lib/limits.ts';
import { encodeCbor } from '../../../lib/wire/codec.ts';
import type { HttpAnswer, Operation } from '../../aws/http.ts';
import { parseParameter } from '../../aws/request.ts';
import { setsQuerySchema } from '../routes.ts';
import type { ApiRuntime } from './runtime.ts';

export function getSets(runtime: ApiRuntime): Operation {
  return {
    async run({ query }): Promise<HttpAnswer> {
      const { after } = parseParameter(setsQuerySchema, query, 'query');
      const { head } = await runtime.network();
      const links = await runtime.deps.ports.blocks.links(MAIN_LEDGER);
      const shown = links
        .filter(({ fromHeight }) => fromHeight > after && fromHeight <= head.height + 1)
        .slice(0, limits.setLinksMax);
      return { status: 200, body: { sets: toBase64url(encodeCbor(shown)) } };
    },
  };
}
