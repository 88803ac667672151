/** The operations of the custodian, one for each route. */

import { equalBytes, fromBase64url, toBase64url } from '../../lib/crypto/bytes.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import type { Operations } from '../aws/http.ts';
import { HttpError } from '../aws/problems.ts';
import { serviceOperations, withBody } from '../aws/service-operations.ts';
import { listMetadata, openAccess } from './access.ts';
import { caseNoteSchema, caseReadSchema, caseSealsSchema } from './case-routes.ts';
import { putCaseNote, putCaseSeals, readCase } from './cases.ts';
import { findKey, publishKeys } from './category-keys.ts';
import { completeUpload } from './complete.ts';
import type { RecordsContext } from './context.ts';
import { listForCopies, openForCopies, sharesForCopies } from './copies.ts';
import {
  completeRestoreSchema,
  copiedObjectSchema,
  copiedRecordsSchema,
  copiedSharesSchema,
  copiedTeamSchema,
  eraseSchema,
  restoreSchema,
} from './copy-routes.ts';
import { erase } from './erase.ts';
import { fetchLettersSchema, letterSchema, withdrawLettersSchema } from './letter-routes.ts';
import { fetchLetters, putLetter, withdrawLetters } from './letters.ts';
import { completeRestore, openRestore } from './restore.ts';
import { openApiInfo } from './openapi-info.ts';
import {
  accessSchema,
  completeSchema,
  fetchKeySchema,
  fetchPrivateSchema,
  fetchSharesSchema,
  fetchTeamKeySchema,
  metadataSchema,
  privateSchema,
  publishSchema,
  relayerSchema,
  rotateSchema,
  routes,
  settleSchema,
  shareSchema,
  teamKeysSchema,
  uploadSchema,
  withdrawSchema,
  wrapSchema,
} from './routes.ts';
import { relayerRecord } from './relayer.ts';
import { fetchPrivate, putPrivate } from './private.ts';
import { finishRotation, openRotation, putWrap, settleRecord } from './rotation.ts';
import {
  fetchPublication,
  fetchRows,
  putPublication,
  putRelease,
  withdrawReleases,
} from './releases.ts';
import {
  collectSchema,
  publicationSchema,
  publishedSchema,
  releaseSchema,
  withdrawalSchema,
} from './release-routes.ts';
import { fetchShares, putShare, withdrawShare } from './shares.ts';
import { fetchTeamKey, putTeamKeys, teamKeysForCopies } from './team-keys.ts';
import { abortUpload, openUpload, uploadStatus } from './uploads.ts';

/** Operations by `METHOD /path`, one for each row of `functions/records/routes.ts`. */
export function recordsOperations(context: RecordsContext): Operations {
  return {
    'POST /v1/uploads': withBody(uploadSchema, (body, request) =>
      openUpload(context, request, body),
    ),
    'GET /v1/uploads/{recordId}': { run: (request) => uploadStatus(context, request) },
    'POST /v1/uploads/{recordId}/complete': withBody(completeSchema, (body, request) =>
      completeUpload(context, request, body),
    ),
    'DELETE /v1/uploads/{recordId}': { run: (request) => abortUpload(context, request) },
    'POST /v1/category-keys': withBody(publishSchema, (body, request) =>
      publishKeys(context, request, body),
    ),
    'POST /v1/category-keys/fetch': withBody(fetchKeySchema, (body, request) =>
      findKey(context, request, body),
    ),
    'POST /v1/rotations': withBody(rotateSchema, (body, request) =>
      openRotation(context, request, body),
    ),
    'POST /v1/rotations/records/{recordId}': withBody(relayerSchema, (body, request) =>
      relayerRecord(context, request, body),
    ),
    'POST /v1/rotations/records/{recordId}/wrap': withBody(wrapSchema, (body, request) =>
      putWrap(context, request, body),
    ),
    'POST /v1/rotations/records/{recordId}/settle': withBody(settleSchema, (body, request) =>
      settleRecord(context, request, body),
    ),
    'POST /v1/private': withBody(privateSchema, (body, request) =>
      putPrivate(context, request, body),
    ),
    'POST /v1/private/fetch': withBody(fetchPrivateSchema, (body, request) =>
      fetchPrivate(context, request, body),
    ),
    'POST /v1/rotations/finish': withBody(settleSchema, (body, request) =>
      finishRotation(context, request, body),
    ),
    'POST /v1/shares': withBody(shareSchema, (body, request) => putShare(context, request, body)),
    'POST /v1/shares/fetch': withBody(fetchSharesSchema, (body, request) =>
      fetchShares(context, request, body),
    ),
    'POST /v1/shares/withdraw': withBody(withdrawSchema, (body, request) =>
      withdrawShare(context, request, body),
    ),
    'POST /v1/team-keys': withBody(teamKeysSchema, (body, request) =>
      putTeamKeys(context, request, body),
    ),
    'POST /v1/team-keys/fetch': withBody(fetchTeamKeySchema, (body, request) =>
      fetchTeamKey(context, request, body),
    ),
    'POST /v1/access': withBody(accessSchema, (body, request) =>
      openAccess(context, request, body),
    ),
    'POST /v1/metadata': withBody(metadataSchema, (body, request) =>
      listMetadata(context, request, body),
    ),
    ...letterOperations(context),
    ...copyOperations(context),
    ...releaseOperations(context),
    ...caseOperations(context),
    'GET /v1/bootstrap': {
      run: async () => ({
        status: 200,
        body: { key: toBase64url((await context.signingKey()).publicKey) },
      }),
    },
    ...serviceOperations(context, openApiInfo, routes),
  };
}

/** What goes to pharmacies and insurers, and comes back. */
function letterOperations(context: RecordsContext): Operations {
  return {
    'POST /v1/letters': withBody(letterSchema, (body, request) =>
      putLetter(context, request, body),
    ),
    'POST /v1/letters/fetch': withBody(fetchLettersSchema, (body, request) =>
      fetchLetters(context, request, body),
    ),
    'POST /v1/letters/withdraw': withBody(withdrawLettersSchema, (body, request) =>
      withdrawLetters(context, request, body),
    ),
  };
}

/** What hospitals copy and give back, and what patients have erased. */
function copyOperations(context: RecordsContext): Operations {
  return {
    'POST /v1/copies/records': withBody(copiedRecordsSchema, (body, request) =>
      listForCopies(context, request, body),
    ),
    'POST /v1/copies/object': withBody(copiedObjectSchema, (body, request) =>
      openForCopies(context, request, body),
    ),
    'POST /v1/copies/shares': withBody(copiedSharesSchema, (body, request) =>
      sharesForCopies(context, request, body),
    ),
    'POST /v1/copies/team-keys': withBody(copiedTeamSchema, (body, request) =>
      teamKeysForCopies(context, request, body),
    ),
    'POST /v1/restores': withBody(restoreSchema, (body, request) =>
      openRestore(context, request, body),
    ),
    'POST /v1/restores/complete': withBody(completeRestoreSchema, (body, request) =>
      completeRestore(context, request, body),
    ),
    'POST /v1/erasures': withBody(eraseSchema, (body, request) => erase(context, request, body)),
  };
}

/** What goes to studies: kept sealed until the ledger lets it go. */
function releaseOperations(context: RecordsContext): Operations {
  return {
    'POST /v1/releases': withBody(releaseSchema, (body, request) =>
      putRelease(context, request, body),
    ),
    'POST /v1/releases/rows': withBody(collectSchema, (body, request) =>
      fetchRows(context, request, body),
    ),
    'POST /v1/publications': withBody(publicationSchema, (body, request) =>
      putPublication(context, request, body),
    ),
    'POST /v1/publications/fetch': withBody(publishedSchema, (body, request) =>
      fetchPublication(context, request, body),
    ),
    'POST /v1/releases/withdraw': withBody(withdrawalSchema, (body, request) =>
      withdrawReleases(context, request, body),
    ),
  };
}

/** What members of cases keep for each other. */
function caseOperations(context: RecordsContext): Operations {
  return {
    'POST /v1/cases/notes': withBody(caseNoteSchema, (body, request) =>
      putCaseNote(context, request, body),
    ),
    'POST /v1/cases/seals': withBody(caseSealsSchema, (body, request) =>
      putCaseSeals(context, request, body),
    ),
    'POST /v1/cases/read': withBody(caseReadSchema, (body, request) =>
      readCase(context, request, body),
    ),
  };
}

/** Throws HttpError `wrong_party` unless the document names this custodian's key. */
export async function checkOwnKey(
  context: Pick<RecordsContext, 'signingKey'>,
  genesis: Genesis,
): Promise<void> {
  const named = fromBase64url(genesis.document.custodian.key);
  if (equalBytes(named, (await context.signingKey()).publicKey)) return;
  throw new HttpError('wrong_party', 'The document names another custodian.');
}
