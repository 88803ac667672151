/**
 * Writes small DICOM files, explicit little endian, for tests: tags in order, text values alone.
 */

export type Element = readonly [tag: number, vr: string, value: string | readonly Element[][]];

const LONG = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);

export function dicomFile(elements: readonly Element[]): Uint8Array {
  const meta = elementsOf([[0x0002_0010, 'UI', '1.2.840.10008.1.2.1']]);
  const length = elementsOf([[0x0002_0000, 'UL', String.fromCharCode(meta.length, 0, 0, 0)]]);
  const magic = new TextEncoder().encode('DICM');
  return Uint8Array.from([
    ...new Uint8Array(128),
    ...magic,
    ...length,
    ...meta,
    ...elementsOf(elements),
  ]);
}

function elementsOf(elements: readonly Element[]): number[] {
  return elements.flatMap(([tag, vr, value]) => {
    const bytes =
      typeof value === 'string'
        ? padded(
            [...value].map((one) => one.charCodeAt(0) & 0xff),
            vr,
          )
        : value.flatMap((item) => itemOf(elementsOf(item)));
    const head = [...u16(tag >>> 16), ...u16(tag & 0xffff), vr.charCodeAt(0), vr.charCodeAt(1)];
    const size = LONG.has(vr) ? [0, 0, ...u32(bytes.length)] : u16(bytes.length);
    return [...head, ...size, ...bytes];
  });
}

function itemOf(bytes: number[]): number[] {
  return [...u16(0xfffe), ...u16(0xe000), ...u32(bytes.length), ...bytes];
}

function padded(bytes: number[], vr: string): number[] {
  const filler = vr === 'UI' || vr === 'OB' ? 0 : 0x20;
  return bytes.length % 2 === 0 ? bytes : [...bytes, filler];
}

function u16(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff];
}

function u32(value: number): number[] {
  return [...u16(value & 0xffff), ...u16(value >>> 16)];
}
