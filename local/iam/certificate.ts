// A certificate of this machine's loopback for the IAM lane, made anew for each run.
import { randomBytes, webcrypto } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

const VALID_MS = 24 * 3_600_000;
const SKEW_MS = 60_000;
const KEY_ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const PEM_LINE = /.{1,64}/g;

/** Writes a self-signed certificate for localhost and 127.0.0.1, and its key. */
export async function makeCertificate(folder: string, now: number): Promise<CertificateFiles> {
  const keys = await webcrypto.subtle.generateKey(KEY_ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: randomBytes(8).toString('hex'),
      name: 'CN=localhost',
      notBefore: new Date(now - SKEW_MS),
      notAfter: new Date(now + VALID_MS),
      signingAlgorithm: KEY_ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.SubjectAlternativeNameExtension([
          { type: 'dns', value: 'localhost' },
          { type: 'ip', value: '127.0.0.1' },
        ]),
      ],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const lines = pkcs8.toString('base64').match(PEM_LINE) ?? [];
  const files = { certificate: join(folder, 'localhost.crt'), key: join(folder, 'localhost.key') };
  mkdirSync(folder, { recursive: true });
  writeFileSync(files.certificate, `${certificate.toString('pem')}\n`);
  writeFileSync(
    files.key,
    ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----', ''].join('\n'),
    { mode: 0o600 },
  );
  return files;
}
