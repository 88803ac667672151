/** The media type of a document, by its name and first bytes; nothing depends on it but display. */

const byExtension: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  dcm: 'application/dicom',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  gif: 'image/gif',
  hl7: 'x-application/hl7-v2+er7',
  htm: 'text/html',
  html: 'text/html',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  md: 'text/markdown',
  pdf: 'application/pdf',
  png: 'image/png',
  rtf: 'application/rtf',
  tif: 'image/tiff',
  tiff: 'image/tiff',
  txt: 'text/plain',
  xml: 'application/xml',
  zip: 'application/zip',
};

/** What `start`, the first bytes of a file, says where it says anything; else what its name says. */
export function mediaTypeOf(fileName: string, start: Uint8Array): string {
  if (starts(start, [0x25, 0x50, 0x44, 0x46])) return 'application/pdf';
  if (starts(start, [0x89, 0x50, 0x4e, 0x47])) return 'image/png';
  if (starts(start, [0xff, 0xd8, 0xff])) return 'image/jpeg';
  if (starts(start.subarray(128), [0x44, 0x49, 0x43, 0x4d])) return 'application/dicom';
  const extension = /\.([A-Za-z0-9]{1,8})$/.exec(fileName)?.[1]?.toLowerCase() ?? '';
  const named = byExtension[extension];
  // A text file that is called .pdf is no PDF.
  if (named === undefined || magical.has(named)) return 'application/octet-stream';
  return named;
}

/** Types that their first bytes always show. */
const magical: ReadonlySet<string> = new Set(['application/pdf', 'image/png', 'image/jpeg']);

function starts(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}
