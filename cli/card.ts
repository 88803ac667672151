/** An emergency card, as text and as a PDF in the size of a bank card. */
import PDFDocument from 'pdfkit';
import { formatCardCode } from '../sdk/card-code.ts';

/** ISO/IEC 7810 ID-1: 85.6 mm × 54 mm, in points. */
const WIDTH = 243;
const HEIGHT = 153;
const MARGIN = 12;

/** What the card says; it names nobody, so that who finds it learns nothing. */
export function cardLines(handle: string, network: string): string[] {
  const code = formatCardCode(handle).split('-');
  return [
    'EMERGENCY CARD',
    'In an emergency a doctor or nurse opens my summary',
    '(allergies, medicines, conditions) with this number:',
    '',
    `   ${code.slice(0, 4).join(' ')}`,
    `   ${code.slice(4).join(' ')}`,
    '',
    `CareQuorum, network ${network}. I am told of each use,`,
    'and somebody else looks at it afterwards.',
  ];
}

export async function cardPdf(handle: string, network: string): Promise<Uint8Array> {
  const document = new PDFDocument({
    size: [WIDTH, HEIGHT],
    margin: MARGIN,
    info: { Title: 'Emergency card', Author: 'CareQuorum' },
  });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    document.once('end', resolve);
    document.once('error', reject);
  });
  const [title = '', ...rest] = cardLines(handle, network);
  document.rect(0, 0, WIDTH, 30).fill('#b3261e');
  document.fillColor('white').font('Helvetica-Bold').fontSize(13).text(title, MARGIN, 10);
  document.fillColor('black').fontSize(8.5).text('', MARGIN, 38);
  for (const line of rest) {
    const isCode = line.startsWith('   ');
    document.font(isCode ? 'Courier-Bold' : 'Helvetica').fontSize(isCode ? 14 : 8);
    if (line === '') document.moveDown(0.4);
    else document.text(line.trim(), { align: isCode ? 'center' : 'left' });
  }
  document.end();
  await ended;
  return new Uint8Array(Buffer.concat(chunks));
}
