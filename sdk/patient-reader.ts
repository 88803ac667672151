/** A patient as a reader of own records: every seed is derived from the root. */
import type { Patient } from './patient.ts';
import type { DocumentSink, FilePlatform } from './platform/files.ts';
import type { Reader } from './read.ts';

export function patientReader(patient: Patient, files: FilePlatform): Reader {
  const names = patient.categoryNames();
  return {
    session: patient.session,
    key: patient.ownerKey,
    signer: patient.signer,
    files,
    purpose: 'PATRQT',
    seedOf({ categoryTag, month, revision }) {
      const name = names.get(categoryTag);
      return name === undefined ? null : patient.seed(name, { month, revision });
    },
  };
}

/** Takes a small document into memory. Throws RangeError beyond the bound. */
export function boundedSink(bytesMax: number): DocumentSink & { readonly bytes: Uint8Array } {
  let bytes = new Uint8Array();
  return {
    get bytes() {
      return bytes;
    },
    write(chunk) {
      const next = new Uint8Array(bytes.length + chunk.length);
      if (next.length > bytesMax) return Promise.reject(new RangeError('the document is too long'));
      next.set(bytes);
      next.set(chunk, bytes.length);
      bytes = next;
      return Promise.resolve();
    },
    keep: () => Promise.resolve('memory'),
    discard: () => Promise.resolve(),
  };
}
