/** `GET /v1/consistency`: the earlier block is in the history of the later one, or it is refused. */
import { beforeAll, describe, expect, it } from 'vitest';
import { keepHistory } from '../../../functions/validator/replica/history.ts';
import { fromBase64url } from '../../../lib/crypto/bytes.ts';
import { verifyHistoryAnswer } from '../../../lib/ledger/history-answer.ts';
import { headerHash } from '../../../lib/wire/header.ts';
import { ApiFixture } from './fixture.ts';

let api: ApiFixture;

beforeAll(async () => {
  api = await ApiFixture.started();
  for (let height = 1; height <= 6; height += 1) {
    const { header } = await api.commit([await api.sign()]);
    // The history of blocks 5 and 6 is not kept: as at a validator that started later.
    if (height < 5) await keepHistory(api.blocks, header, headerHash(header));
  }
});

async function verified(path: string) {
  const { status, body } = await api.get(path);
  expect([status, body['code']]).toEqual([200, undefined]);
  const answer = await verifyHistoryAnswer(fromBase64url(body['proof'] as string), api.genesis);
  return { body, answer };
}

describe('GET /v1/consistency', () => {
  it('proves each height against each later one', async () => {
    for (const [from, to] of [
      [0, 1],
      [0, 4],
      [1, 4],
      [3, 4],
      [2, 5],
    ]) {
      const { body, answer } = await verified(`/v1/consistency?from=${from}&to=${to}`);
      expect(body).toMatchObject({ from, to });
      expect([answer.first.height, answer.header.height]).toEqual([from, to]);
    }
  });

  it.each([
    ['from=4&to=4', 400, 'invalid_request'],
    ['from=5&to=4', 400, 'invalid_request'],
    ['from=-1&to=4', 400, 'invalid_request'],
    ['to=4', 400, 'invalid_request'],
    ['from=1&to=7', 404, 'unknown_block'],
    ['from=1', 404, 'unknown_block'],
  ])('refuses %s', async (query, status, code) => {
    const answer = await api.get(`/v1/consistency?${query}`);
    expect([answer.status, answer.body['code']]).toEqual([status, code]);
  });
});
