/** Ways in which a text may stand in a store, to plant it in: what the scanner must see through. */
import { deflateSync, gzipSync } from 'node:zlib';
import { encode } from '@ipld/dag-cbor';

export interface Wrapping {
  readonly name: string;
  /** What the scanner answers as `via`. */
  readonly via: string;
  readonly wrap: (text: string) => Buffer;
}

const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');
const latin = (text: string): Buffer => Buffer.from(text, 'latin1');
const gzip = (text: string): Buffer => gzipSync(utf8(text));

/** Every wrapping alone, and the nestings that this network's formats make. */
export const wrappings: readonly Wrapping[] = [
  { name: 'utf8', via: 'utf8', wrap: (text) => utf8(`"${text}", as it is`) },
  { name: 'utf16', via: 'utf16le', wrap: (text) => Buffer.from(`to ${text}`, 'utf16le') },
  { name: 'lower case', via: 'utf8', wrap: (text) => utf8(text.toLowerCase()) },
  { name: 'capitals', via: 'utf8', wrap: (text) => utf8(text.toUpperCase()) },
  { name: 'decomposed', via: 'utf8', wrap: (text) => utf8(text.normalize('NFD')) },
  { name: 'hex', via: 'hex > utf8', wrap: (text) => latin(utf8(text).toString('hex')) },
  {
    name: 'odd hex in capitals',
    via: 'hex > utf8',
    wrap: (text) => latin(`F${utf8(text).toString('hex').toUpperCase()}`),
  },
  ...[0, 1, 2].map((offset): Wrapping => ({
    name: `base64 at ${offset}`,
    via: 'base64 > utf8',
    wrap: (text) => latin(utf8(`${'~'.repeat(offset)}${text}?>~`).toString('base64')),
  })),
  ...[1, 2, 3].map((digits): Wrapping => ({
    name: `base64url after ${digits} digits of something else`,
    via: 'base64 > utf8',
    wrap: (text) => latin('x'.repeat(digits) + utf8(`${text}?>~ÿ`).toString('base64url')),
  })),
  {
    name: 'base64 in lines',
    via: 'base64 > utf8',
    wrap: (text) =>
      latin(
        utf8(text)
          .toString('base64')
          .replaceAll(/(.{20})/g, '$1\r\n'),
      ),
  },
  {
    name: 'JSON escapes',
    via: 'json > utf8',
    wrap: (text) => latin(asciiJson({ a: `\t${text}` })),
  },
  {
    name: 'JSON in JSON',
    via: 'json > json > utf8',
    wrap: (text) => latin(JSON.stringify({ b: asciiJson({ a: text }) })),
  },
  {
    name: 'URL escapes',
    via: 'percent > utf8',
    wrap: (text) => latin(`/path?name=${encodeURIComponent(text)}`),
  },
  {
    name: 'gzip',
    via: 'gzip > utf8',
    wrap: (text) => Buffer.concat([latin('\0\x01'), gzip(text)]),
  },
  { name: 'zlib', via: 'zlib > utf8', wrap: (text) => deflateSync(utf8(text)) },
  { name: 'CBOR text', via: 'utf8', wrap: (text) => Buffer.from(encode({ a: [text] })) },
  {
    name: 'CBOR bytes',
    via: 'utf8',
    wrap: (text) => Buffer.from(encode({ a: new Uint8Array(utf8(text)) })),
  },
  { name: 'CBOR in chunks', via: 'cbor > utf8', wrap: chunkedCbor },
  {
    name: 'JWS of JSON in CBOR in base64url',
    via: 'base64 > base64 > json > utf8',
    wrap: (text) => {
      const payload = latin(asciiJson({ args: { name: text } })).toString('base64url');
      const envelope = encode({ transactions: [`eyJ9.${payload}.AAAA`] });
      return latin(`peer:${Buffer.from(envelope).toString('base64url')}`);
    },
  },
  {
    name: 'gzip in base64 in JSON in CBOR in hex',
    via: 'hex > base64 > gzip > utf8',
    wrap: (text) => {
      const json = JSON.stringify({ z: gzip(text).toString('base64') });
      return latin(Buffer.from(encode({ body: json })).toString('hex'));
    },
  },
];

/** JSON without any byte above ASCII. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[^\x20-\x7e]/g, (character) => {
    const unit = character.charCodeAt(0).toString(16).padStart(4, '0');
    return `\\u${unit}`;
  });
}

/** A text string of indefinite length (RFC 8949, 3.2.3) in chunks of four bytes. */
function chunkedCbor(text: string): Buffer {
  const bytes = utf8(text);
  const chunks: Buffer[] = [Buffer.from([0x7f])];
  for (let at = 0; at < bytes.length; at += 4) {
    const chunk = bytes.subarray(at, at + 4);
    chunks.push(Buffer.from([0x60 + chunk.length]), chunk);
  }
  return Buffer.concat([...chunks, Buffer.from([0xff])]);
}
