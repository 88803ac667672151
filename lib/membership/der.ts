/** Distinguished encoding (ITU-T X.690 §10) of the few types that our certificates use. */

import { concatBytes } from '../crypto/bytes.ts';
import { CertificateError } from './certificate-error.ts';

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Longest content that is read or written, bytes: lengths of at most two bytes. */
const CONTENT_BYTES_MAX = 0xffff;

/** One element with its tag and minimal length. */
export function derElement(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...content);
  const { length } = body;
  if (length > CONTENT_BYTES_MAX) throw malformed('an element is too long');
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return concatBytes(Uint8Array.from(header), body);
}

/** A positive INTEGER of big-endian bytes; leading zeros are dropped, a sign byte is added. */
export function derPositiveInteger(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const value = bytes.subarray(start);
  const sign = (value[0] ?? 0) > 0x7f ? Uint8Array.of(0) : new Uint8Array(0);
  return derElement(tags.integer, sign, value);
}

/** Reads elements one after the other; anything but the expected tag is refused. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The tag of the next element, or undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at];
  }

  /** The content of the next element. Throws `certificate_malformed`. */
  take(tag: number): Uint8Array {
    return this.#next(tag).content;
  }

  /** The next element with its tag and length. Throws `certificate_malformed`. */
  takeWhole(tag: number): Uint8Array {
    return this.#next(tag).whole;
  }

  /** Throws `certificate_malformed` where something is left. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw malformed('bytes are left over');
  }

  #next(tag: number): { content: Uint8Array; whole: Uint8Array } {
    const bytes = this.#bytes;
    const first = bytes[this.#at + 1];
    if (bytes[this.#at] !== tag || first === undefined) throw malformed('an element is missing');
    const lengthBytes = first < 0x80 ? 0 : first - 0x80;
    if (first === 0x80 || lengthBytes > 2) throw malformed('a length is indefinite or too long');
    let length = lengthBytes === 0 ? first : 0;
    for (let i = 0; i < lengthBytes; i += 1) length = length * 256 + (bytes[this.#at + 2 + i] ?? 0);
    const start = this.#at + 2 + lengthBytes;
    const whole = bytes.subarray(this.#at, start + length);
    if (start + length > bytes.length) throw malformed('an element is cut');
    this.#at = start + length;
    return { content: bytes.subarray(start, start + length), whole };
  }
}

function malformed(message: string): CertificateError {
  return new CertificateError('certificate_malformed', message);
}
