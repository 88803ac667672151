/** What a snapshot's manifest says of the height after it. */

import { governedKeys } from '../../lib/chaincode/governed.ts';
import { cells } from '../../lib/chaincode/cells.ts';
import { equalBytes } from '../../lib/crypto/bytes.ts';
import { ReceiptError } from '../../lib/ledger/errors.ts';
import type { SnapshotManifest } from '../../lib/ledger/snapshot.ts';
import { limits } from '../../lib/limits.ts';
import { decodeWith } from '../../lib/wire/codec.ts';
import type { Governed } from '../../lib/wire/governed.ts';
import { validatorsHash } from '../../lib/wire/validators.ts';

/** Of a checked manifest. Throws `ReceiptError` where the header names another next set. */
export function governedAfter({ header, governed }: SnapshotManifest): Governed {
  const valueOf = (key: string): Uint8Array =>
    governed[governedKeys.indexOf(key)]?.value ?? new Uint8Array();
  const { validators, sessions, parameters } = cells;
  const bytesMax = limits.stateValueBytesMax;
  const next = {
    validators: decodeWith(validators.schema, valueOf(validators.key), bytesMax),
    sessions: decodeWith(sessions.schema, valueOf(sessions.key), bytesMax),
    parameters: decodeWith(parameters.schema, valueOf(parameters.key), bytesMax),
  };
  if (!equalBytes(validatorsHash(next.validators), header.nextValidatorsHash)) {
    throw new ReceiptError('malformed', 'the next set is another');
  }
  return next;
}
