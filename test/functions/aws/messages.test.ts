import { describe, expect, it } from 'vitest';
import {
  decodeInboxMessage,
  encodePeerMessage,
  encodeSelfMessage,
  type SelfMessage,
} from '../../../functions/aws/inbox-message.ts';
import { decodeTimerMessage, encodeTimerMessage } from '../../../functions/aws/timer-message.ts';
import { toBase64url, utf8 } from '../../../lib/crypto/bytes.ts';
import { WireError } from '../../../lib/wire/errors.ts';

const selfMessages: SelfMessage[] = [
  { kind: 'wake', ledger: 'main' },
  { kind: 'tick', ledger: 'main', due: 1_800_000_000_000 },
  { kind: 'fetched', ledger: 'main', fromHeight: 3, toHeight: 9 },
  { kind: 'bootstrap', ledger: 'main' },
];

describe('inbox messages', () => {
  it.each(selfMessages)('carry $kind', (message) => {
    const body = encodeSelfMessage(message);
    expect(body).toMatch(/^self:[A-Za-z0-9_-]+$/);
    expect(decodeInboxMessage(body)).toEqual(message);
  });

  it('carry an envelope, with its ledger beside it', () => {
    const genesisHash = new Uint8Array(32);
    const envelope = { genesisHash, ledger: 'main', from: 'north', messages: [] };
    const body = encodePeerMessage(envelope);
    expect(body).toMatch(/^peer:[A-Za-z0-9_-]+$/);
    expect(decodeInboxMessage(body)).toEqual({ kind: 'envelope', ledger: 'main', envelope });
  });

  const wake = encodeSelfMessage({ kind: 'wake', ledger: 'main' });
  const noted = (json: string): string => `self:${toBase64url(utf8(json))}`;
  it.each([
    ['nothing', ''],
    ['bare JSON', '{}'],
    ['no prefix', 'wake'],
    ['an empty note', 'self:'],
    ['no base64url', 'self:***'],
    ['an empty envelope', 'peer:'],
    ['no envelope', 'peer:AAAA'],
    ['padding', `${wake}=`],
    ['a note as an envelope', wake.replace('self:', 'peer:')],
    ['a missing field', noted('{"kind":"wake"}')],
    ['a field too many', noted('{"kind":"wake","ledger":"main","extra":1}')],
    ['another kind', noted('{"kind":"envelope","ledger":"main"}')],
    ['a long note', `self:${'A'.repeat(4_000)}`],
  ])('refuse %s by a WireError', (_, body) => {
    expect(() => decodeInboxMessage(body)).toThrow(WireError);
  });
});

describe('timer messages', () => {
  it('carry ticks and requests to catch up', () => {
    const request = { kind: 'catch-up', ledger: 'main', fromHeight: 1, toHeight: 2 } as const;
    expect(decodeTimerMessage(encodeTimerMessage(request))).toEqual(request);
    const tick = { kind: 'tick', ledger: 'main', due: 1_800_000_000_000 } as const;
    expect(decodeTimerMessage(encodeTimerMessage(tick))).toEqual(tick);
    expect(() => decodeTimerMessage('{"kind":"tick"}')).toThrow(WireError);
  });
});
