import { beforeAll, describe, expect, it } from 'vitest';
import { toBase64, toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import { parseJws, signJws, verifyJws } from '../../lib/crypto/jws.ts';
import { generateSigningKey, normaliseLowS, thumbprint } from '../../lib/crypto/p256.ts';
import type { SigningKey } from '../../lib/crypto/p256.ts';
import { codeOf } from './helpers.ts';

const BYTES_MAX = 10_000;
const payload = utf8('{"fn":"consent.grant"}');

let key: SigningKey;
let kid: string;
let compact: string;
beforeAll(async () => {
  key = await generateSigningKey();
  kid = thumbprint(key.publicKey);
  compact = await signJws({ typ: 'cq-tx+jws', kid }, payload, key);
});

/** The JWS with its header replaced by `text`. */
function withHeader(text: string): string {
  return [toBase64url(utf8(text)), ...compact.split('.').slice(1)].join('.');
}

describe('JWS compact, ES256', () => {
  it('round-trips header, payload and signature', async () => {
    const parsed = parseJws(compact, BYTES_MAX);
    expect(parsed.header).toEqual({ alg: 'ES256', typ: 'cq-tx+jws', kid });
    expect(parsed.payload).toEqual(payload);
    expect(parsed.signingInput).toEqual(utf8(compact.slice(0, compact.lastIndexOf('.'))));
    expect(await verifyJws(parsed, key.publicKey)).toBe(true);
  });

  it('carries up to three certificates', async () => {
    const certificate = toBase64(new Uint8Array(600));
    const x5c = [certificate, certificate, certificate];
    const parsed = parseJws(await signJws({ typ: 't', kid, x5c }, payload, key), BYTES_MAX);
    expect(parsed.header.x5c).toEqual(x5c);
    const tooMany = { typ: 't', kid, x5c: [...x5c, certificate] };
    expect(await codeOf(() => signJws(tooMany, payload, key))).toBe('invalid_jws');
  });

  it('accepts an empty payload and a header in another order', async () => {
    const empty = parseJws(await signJws({ typ: 't', kid }, new Uint8Array(0), key), BYTES_MAX);
    expect(empty.payload).toHaveLength(0);
    const other = JSON.stringify({ kid, typ: 't', alg: 'ES256' });
    expect(parseJws(withHeader(other), BYTES_MAX).header.kid).toBe(kid);
  });

  it('does not verify any other payload, header or key', async () => {
    const parsed = parseJws(compact, BYTES_MAX);
    const other = await generateSigningKey();
    expect(await verifyJws(parsed, other.publicKey)).toBe(false);
    const changed = withHeader(JSON.stringify({ ...parsed.header, typ: 'other' }));
    expect(await verifyJws(parseJws(changed, BYTES_MAX), key.publicKey)).toBe(false);
  });

  it('does not verify the high-S form', async () => {
    const parsed = parseJws(compact, BYTES_MAX);
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const s = BigInt(`0x${Buffer.from(parsed.signature.subarray(32)).toString('hex')}`);
    const high = new Uint8Array(parsed.signature);
    high.set(Buffer.from((order - s).toString(16).padStart(64, '0'), 'hex'), 32);
    expect(normaliseLowS(high)).toEqual(parsed.signature);
    expect(await verifyJws({ ...parsed, signature: high }, key.publicKey)).toBe(false);
  });

  it('refuses one that is over the bound before reading it', async () => {
    expect(await codeOf(() => parseJws(compact, compact.length - 1))).toBe('too_large');
    expect(await codeOf(() => parseJws(compact, compact.length))).toBe('none');
  });

  it.each([
    ['nothing', () => ''],
    ['two parts', () => compact.split('.').slice(0, 2).join('.')],
    ['four parts', () => `${compact}.`],
    ['no header', () => compact.slice(compact.indexOf('.'))],
    ['no signature (RFC 8725 §2.1)', () => compact.slice(0, compact.lastIndexOf('.') + 1)],
    ['a short signature', () => compact.replace(/[^.]+$/, toBase64url(new Uint8Array(63)))],
  ])('refuses %s', async (_, make) => {
    expect(await codeOf(() => parseJws(make(), BYTES_MAX))).toBe('invalid_jws');
  });

  it.each([
    ['padding', () => `${compact}=`],
    ['a line end', () => `${compact}\n`],
    ['set trailing bits', () => compact.slice(0, -1) + (/[AQgw]$/.test(compact) ? 'B' : '?')],
    ['a byte that is not base64url', () => compact.replace('.', '.+')],
  ])('refuses %s', async (_, make) => {
    expect(await codeOf(() => parseJws(make(), BYTES_MAX))).toBe('invalid_encoding');
  });
});

describe('JWS header', () => {
  it.each([
    ['not JSON', '{'],
    ['an array', '[]'],
    ['null', 'null'],
    ['text', '"ES256"'],
    ['alg none', '{"alg":"none","typ":"t","kid":"k"}'],
    ['alg HS256', '{"alg":"HS256","typ":"t","kid":"k"}'],
    ['alg in another case', '{"alg":"es256","typ":"t","kid":"k"}'],
    ['no alg', '{"typ":"t","kid":"k"}'],
    ['no typ', '{"alg":"ES256","kid":"k"}'],
    ['no kid', '{"alg":"ES256","typ":"t"}'],
    ['an empty kid', '{"alg":"ES256","typ":"t","kid":""}'],
    ['a kid that is a number', '{"alg":"ES256","typ":"t","kid":1}'],
    ['a kid over its bound', `{"alg":"ES256","typ":"t","kid":"${'k'.repeat(129)}"}`],
    ['a typ with a space', '{"alg":"ES256","typ":"t t","kid":"k"}'],
    ['crit', '{"alg":"ES256","typ":"t","kid":"k","crit":["b64"]}'],
    ['b64', '{"alg":"ES256","typ":"t","kid":"k","b64":false}'],
    ['an embedded key', '{"alg":"ES256","typ":"t","kid":"k","jwk":{}}'],
    ['jku', '{"alg":"ES256","typ":"t","kid":"k","jku":"https://x"}'],
    ['__proto__', '{"alg":"ES256","typ":"t","kid":"k","__proto__":{}}'],
    ['a name twice', '{"alg":"none","alg":"ES256","typ":"t","kid":"k"}'],
    ['an escaped name twice', '{"kid":"a","alg":"ES256","typ":"t","k\\u0069d":"k"}'],
    ['white space', '{"alg":"ES256", "typ":"t","kid":"k"}'],
    ['a needless escape', '{"alg":"ES256","typ":"t","kid":"\\u006b"}'],
    ['an empty x5c', '{"alg":"ES256","typ":"t","kid":"k","x5c":[]}'],
    ['x5c that is text', '{"alg":"ES256","typ":"t","kid":"k","x5c":"AAAA"}'],
    ['x5c of numbers', '{"alg":"ES256","typ":"t","kid":"k","x5c":[1]}'],
    ['x5c over its bound', `{"alg":"ES256","typ":"t","kid":"k","x5c":["${'A'.repeat(8_196)}"]}`],
  ])('refuses %s', async (_, text) => {
    expect(await codeOf(() => parseJws(withHeader(text), 50_000))).toBe('invalid_jws');
  });

  it('refuses base64url where x5c has base64', async () => {
    const text = '{"alg":"ES256","typ":"t","kid":"k","x5c":["-_-_"]}';
    expect(await codeOf(() => parseJws(withHeader(text), BYTES_MAX))).toBe('invalid_encoding');
  });

  it('refuses to be signed when it would not be read', async () => {
    expect(await codeOf(() => signJws({ typ: '', kid }, payload, key))).toBe('invalid_jws');
    expect(await codeOf(() => signJws({ typ: 't', kid: 'a b' }, payload, key))).toBe('invalid_jws');
  });
});
