/** Files with a certificate: as `carequorum enrol` writes them, and as others may. */
import { readFile } from 'node:fs/promises';
import { fromBase64, fromBase64url, toBase64 } from '../lib/crypto/bytes.ts';
import { SdkError } from '../sdk/errors.ts';

const CERTIFICATE_BYTES_MAX = 16_384;

/** DER, PEM (RFC 7468), base64 or base64url. Throws `bad_input`. */
export async function readCertificateFile(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path);
  if (bytes.length <= CERTIFICATE_BYTES_MAX) {
    if (bytes[0] === 0x30 && bytes[1] === 0x82) return bytes;
    const text = new TextDecoder().decode(bytes);
    const body = text.replaceAll(/-----[A-Z ]+-----|\s/g, '');
    for (const decode of [fromBase64, fromBase64url]) {
      try {
        const der = decode(body);
        if (der[0] === 0x30) return der;
      } catch {
        // The other encoding is tried, then it is refused.
      }
    }
  }
  throw new SdkError('bad_input', `${path} holds no certificate.`, {
    nextStep: 'Give the file that `carequorum enrol` wrote for the clinician.',
  });
}

/** RFC 7468. */
export function pem(der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
