/** One table for all errors: each class of error with its status and code. */
import { describe, expect, it, vi } from 'vitest';
import { describeFailure, logger, logRequest } from '../../../functions/aws/logger.ts';
import { HttpError, isProblemCode, problemOf } from '../../../functions/aws/problems.ts';
import { StorageError } from '../../../functions/aws/storage-error.ts';
import { ChaincodeError } from '../../../lib/chaincode/errors.ts';
import { CryptoError } from '../../../lib/crypto/errors.ts';
import { LedgerError, ReceiptError } from '../../../lib/ledger/errors.ts';
import { CertificateError } from '../../../lib/membership/certificate-error.ts';
import { RecordsError } from '../../../lib/records/errors.ts';
import { WireError } from '../../../lib/wire/errors.ts';

const named = (name: string): Error => Object.assign(new Error('a secret'), { name });

describe('problemOf', () => {
  it.each<[Error, number, string]>([
    [new HttpError('not_verified', 'x'), 403, 'not_verified'],
    [new HttpError('digest_mismatch', 'x'), 409, 'digest_mismatch'],
    [new WireError('too_large', 'x'), 413, 'too_large'],
    [new CryptoError('invalid_jws', 'x'), 400, 'invalid_jws'],
    [new ChaincodeError('unknown_record', 'x'), 404, 'unknown_record'],
    [new ChaincodeError('no_permission', 'x'), 403, 'no_permission'],
    [new RecordsError('proof_not_fresh', 'x'), 401, 'proof_not_fresh'],
    [new CertificateError('certificate_expired', 'x'), 401, 'certificate_expired'],
    [new ReceiptError('malformed', 'x'), 400, 'receipt_malformed'],
    [new ReceiptError('bad_vote', 'x'), 403, 'receipt_bad_vote'],
    [new LedgerError('too_large', 'x'), 413, 'too_large'],
  ])('%s', (error, status, code) => {
    const { problem } = problemOf(error);
    const type = `urn:carequorum:problem:${code}`;
    expect(problem).toMatchObject({ type, status, code, detail: 'x' });
    expect(problem.title).toMatch(/^[A-Z]/);
  });

  it.each([
    [new StorageError('unprocessed', 'a secret'), 503, 'unavailable'],
    [named('ThrottlingException'), 503, 'unavailable'],
    [named('SlowDown'), 503, 'unavailable'],
    [new StorageError('corrupt_item', 'a secret'), 500, 'internal'],
    [new LedgerError('corrupt_page', 'a secret'), 500, 'internal'],
    [named('TypeError'), 500, 'internal'],
    ['a secret', 500, 'internal'],
  ])('says nothing of its cause: %s', (error, status, code) => {
    const { problem } = problemOf(error);
    expect(problem).toMatchObject({ status, code });
    expect(JSON.stringify(problem)).not.toContain('secret');
  });

  it('says when to come back', () => {
    expect(problemOf(new HttpError('mempool_full', '')).retryAfterSeconds).toBe(2);
    expect(problemOf(new HttpError('preparing', '')).retryAfterSeconds).toBe(1);
    const later = new HttpError('conflict', '', { retryAfterSeconds: 7 });
    expect(problemOf(later).retryAfterSeconds).toBe(7);
    expect(problemOf(new HttpError('replayed', '')).retryAfterSeconds).toBeUndefined();
  });

  it('knows its own codes', () => {
    expect(isProblemCode('receipt_too_few_votes')).toBe(true);
    expect(isProblemCode('toString')).toBe(false);
  });
});

describe('the log of a failure', () => {
  it('has name, code and place, never the message', () => {
    const failure = describeFailure(new StorageError('corrupt_item', 'Ada Okonjo'));
    expect(failure).toMatchObject({ name: 'StorageError', code: 'corrupt_item' });
    expect(failure.stack).toContain('problems.test');
    expect(JSON.stringify(failure)).not.toContain('Ada');
    const error = vi.spyOn(logger, 'error').mockImplementation(() => undefined);
    const facts = { correlationId: 'c', route: 'r', status: 500, milliseconds: 1 };
    logRequest({ ...facts, code: 'internal', error: new Error('Ada Okonjo') });
    expect(error).toHaveBeenCalledOnce();
    expect(JSON.stringify(error.mock.calls)).not.toContain('Ada');
    error.mockRestore();
  });
});
