/** The handle of an emergency card as people type it: Crockford's base 32, with check characters. */
import { fromBase64url, toBase64url } from '../lib/crypto/bytes.ts';
import { taggedHash } from '../lib/crypto/hash.ts';
import { SdkError } from './errors.ts';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const HANDLE_BYTES = 16;
/** 128 bits, and the two zero bits that fill the last character. */
const BODY_CHARS = 26;
const CHECK_CHARS = 2;
const GROUP_CHARS = 4;

/** `XXXX-XXXX-…` of a handle in base64url. */
export function formatCardCode(handle: string): string {
  const bytes = fromBase64url(handle);
  const text = encode(bytes) + checkOf(bytes);
  return (text.match(new RegExp(`.{1,${GROUP_CHARS}}`, 'g')) ?? []).join('-');
}

/** The handle of what somebody typed; blanks, hyphens, case, O, I and L are forgiven. */
export function parseCardCode(typed: string): string {
  const text = typed
    .toUpperCase()
    .replaceAll(/[\s-]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1');
  const isWhole = text.length === BODY_CHARS + CHECK_CHARS;
  const digits = [...text].map((letter) => ALPHABET.indexOf(letter));
  if (!isWhole || digits.includes(-1)) {
    throw wrong(`A card has ${BODY_CHARS + CHECK_CHARS} letters and digits, in groups of four.`);
  }
  const bytes = decode(digits.slice(0, BODY_CHARS));
  if (encode(bytes) + checkOf(bytes) !== text) {
    throw wrong('One letter or digit of the card is wrong.');
  }
  return toBase64url(bytes);
}

function encode(bytes: Uint8Array): string {
  let out = '';
  let held = 0;
  let bits = 0;
  for (const byte of [...bytes]) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += ALPHABET[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? out : out + ALPHABET[(held << (5 - bits)) & 31];
}

function decode(digits: readonly number[]): Uint8Array {
  const out = new Uint8Array(HANDLE_BYTES);
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const digit of digits) {
    held = (held << 5) | digit;
    bits += 5;
    if (bits >= 8 && at < HANDLE_BYTES) {
      bits -= 8;
      out[at] = held >> bits;
      at += 1;
      held &= (1 << bits) - 1;
    }
  }
  return out;
}

/** Ten bits of a hash: of a thousand typing errors, one is not noticed here. */
function checkOf(bytes: Uint8Array): string {
  const [first = 0, second = 0] = taggedHash('card-check', bytes);
  return `${ALPHABET[first & 31]}${ALPHABET[second & 31]}`;
}

function wrong(message: string): SdkError {
  return new SdkError('bad_input', message, {
    nextStep: 'Read the card again, group by group.',
  });
}
