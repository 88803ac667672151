// Oncology documents that this project makes itself: invented people, the same bytes every time.
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import PDFDocument from 'pdfkit';

export interface SampleDocument {
  /** Path below the folder; the sub-folder names the category. */
  readonly path: string;
  readonly bytes: number;
  /** SHA-256, hexadecimal. */
  readonly sha256: string;
}

/** Stands in every document, so that no clock changes its bytes. */
const MADE_AT = new Date('2026-01-15T09:00:00Z');
const PATIENT = 'Miriam Testerton (invented)';
const MARGIN = 56;
const LABEL_WIDTH = 170;

interface Section {
  readonly title: string;
  /** Two cells or more make a table; a single text is a paragraph. */
  readonly rows: readonly (string | readonly string[])[];
}

interface Sample {
  readonly path: string;
  readonly title: string;
  readonly issuer: string;
  readonly sections: readonly Section[];
}

/** Writes all samples below `folder`, a sub-folder per category. */
export async function writeSampleDocuments(folder: string): Promise<readonly SampleDocument[]> {
  const written: SampleDocument[] = [];
  for (const sample of samples) {
    const bytes = await render(sample);
    const target = join(folder, sample.path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    written.push({ path: sample.path, bytes: bytes.length, sha256 });
  }
  return written;
}

async function render({ title, issuer, sections }: Sample): Promise<Buffer> {
  const document = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    info: { Title: title, Author: issuer, CreationDate: MADE_AT, ModDate: MADE_AT },
  });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    document.once('end', resolve);
    document.once('error', reject);
  });
  document.font('Helvetica-Bold').fontSize(18).text(title);
  document.font('Helvetica').fontSize(9).fillColor('#555555');
  document.text(
    `${issuer} · ${MADE_AT.toISOString().slice(0, 10)} · invented data, for tests only`,
  );
  document.moveDown().fillColor('black').fontSize(10);
  writeRow(document, ['Patient', PATIENT]);
  writeRow(document, ['Date of birth', '1961-04-23']);
  for (const section of sections) writeSection(document, section);
  document.end();
  await ended;
  return Buffer.concat(chunks);
}

function writeSection(document: PDFKit.PDFDocument, { title, rows }: Section): void {
  document.moveDown().font('Helvetica-Bold').fontSize(12).text(title, MARGIN);
  document.font('Helvetica').fontSize(10).moveDown(0.3);
  for (const row of rows) {
    if (typeof row === 'string') document.text(row, MARGIN).moveDown(0.3);
    else writeRow(document, row);
  }
}

function writeRow(document: PDFKit.PDFDocument, cells: readonly string[]): void {
  const width = document.page.width - 2 * MARGIN;
  const [label = '', ...rest] = cells;
  const each = (width - LABEL_WIDTH) / Math.max(1, rest.length);
  const top = document.y;
  document.text(label, MARGIN, top, { width: LABEL_WIDTH - 8 });
  let bottom = document.y;
  rest.forEach((cell, index) => {
    document.text(cell, MARGIN + LABEL_WIDTH + index * each, top, { width: each - 8 });
    bottom = Math.max(bottom, document.y);
  });
  document.x = MARGIN;
  document.y = bottom + 2;
}

const samples: readonly Sample[] = [
  {
    path: 'treatment-summary/radiotherapy-treatment-summary.pdf',
    title: 'Radiotherapy treatment summary',
    issuer: 'Northside Hospital, Department of Radiation Oncology',
    sections: [
      {
        title: 'Diagnosis',
        rows: [
          ['Site', 'Breast, left, upper outer quadrant'],
          ['Histology', 'Invasive ductal carcinoma, grade 2, ER+, PR+, HER2-'],
          ['Stage', 'pT1c pN0 (sn) cM0, stage IA'],
        ],
      },
      {
        title: 'Course',
        rows: [
          ['Phase', 'Volume', 'Fractions', 'Total dose'],
          ['1', 'Whole breast, left', '15 x 2.67 Gy', '40.05 Gy'],
          ['2 (boost)', 'Tumour bed', '4 x 2.50 Gy', '10.00 Gy'],
          ['Technique', '3D conformal, deep inspiration breath hold, 6 MV photons'],
          ['Started, ended', '2025-11-03, 2025-11-27'],
        ],
      },
      {
        title: 'Tolerance and follow-up',
        rows: [
          'Radiation dermatitis grade 1 (CTCAE 5.0); no interruption of treatment.',
          'Review at six weeks, then every six months; mammogram in twelve months.',
        ],
      },
    ],
  },
  {
    path: 'laboratory/laboratory-report.pdf',
    title: 'Laboratory report',
    issuer: 'Northside Hospital, Clinical Laboratory',
    sections: [
      {
        title: 'Blood count, 2025-10-28',
        rows: [
          ['Analyte', 'Result', 'Unit', 'Reference'],
          ['Haemoglobin', '12.9', 'g/dL', '12.0-15.5'],
          ['Leukocytes', '4.1', '10^9/L', '4.0-10.0'],
          ['Neutrophils', '2.3', '10^9/L', '1.8-7.5'],
          ['Platelets', '212', '10^9/L', '150-400'],
        ],
      },
      {
        title: 'Chemistry, 2025-10-28',
        rows: [
          ['Creatinine', '0.82', 'mg/dL', '0.50-0.95'],
          ['ALT', '24', 'U/L', '< 35'],
          ['Calcium', '9.4', 'mg/dL', '8.6-10.2'],
          ['CA 15-3', '18.2', 'U/mL', '< 31.3'],
        ],
      },
    ],
  },
  {
    path: 'history-and-physical/history-and-physical.pdf',
    title: 'History and physical',
    issuer: 'Northside Hospital, Department of Radiation Oncology',
    sections: [
      {
        title: 'History',
        rows: [
          'A 64-year-old woman with a screen-detected lesion of the left breast, treated by ' +
            'breast-conserving surgery and sentinel node biopsy on 2025-09-18.',
          ['Medication', 'Letrozole 2.5 mg daily; ramipril 5 mg daily'],
          ['Allergies', 'Penicillin (rash)'],
          ['Family', 'Aunt with breast cancer at 71'],
        ],
      },
      {
        title: 'Examination',
        rows: [
          ['General', 'ECOG 0, 68 kg, 166 cm, 128/76 mmHg'],
          ['Breast', 'Well healed scar, no seroma, no palpable nodes'],
          ['Heart, lungs', 'Normal'],
        ],
      },
      { title: 'Plan', rows: ['Whole-breast radiotherapy with a boost to the tumour bed.'] },
    ],
  },
  {
    path: 'radiation-dose/dose-report.pdf',
    title: 'Radiation dose report',
    issuer: 'Northside Hospital, Medical Physics',
    sections: [
      {
        title: 'Plan LBREAST-DIBH, approved 2025-10-30',
        rows: [
          ['Structure', 'Measure', 'Planned', 'Limit'],
          ['PTV whole breast', 'V95%', '97.2 %', '> 95 %'],
          ['PTV boost', 'D98%', '48.1 Gy', '> 47.6 Gy'],
          ['Heart', 'Mean', '1.6 Gy', '< 4.0 Gy'],
          ['Lung, left', 'V17Gy', '14.8 %', '< 35 %'],
          ['LAD', 'Mean', '6.9 Gy', '< 10 Gy'],
          ['Breast, right', 'Mean', '0.4 Gy', '< 1.0 Gy'],
        ],
      },
      {
        title: 'Verification',
        rows: [
          ['Gamma pass rate', '99.1 % (3 %, 2 mm)'],
          ['Delivered', '19 of 19 fractions'],
        ],
      },
    ],
  },
];
