/** The recovery kit: a sheet of paper for after a loss. It holds no secret at all. */
import PDFDocument from 'pdfkit';

export interface KitFacts {
  /** Who wrote it down: for the reader alone. */
  readonly patient: string;
  readonly guardians: readonly string[];
  readonly needed: number;
  readonly delayText: string;
  readonly network: string;
  /** Hash of the genesis document, hexadecimal: what tells the true network file. */
  readonly genesisHash: string;
  readonly since: string;
}

/** A head or a paragraph. */
export interface KitPart {
  readonly head?: true;
  readonly text: string;
}

/** What the kit says, for print and for the screen. */
export function kitParts(facts: KitFacts): KitPart[] {
  const { patient, guardians, needed, delayText, network, genesisHash, since } = facts;
  const head = (text: string): KitPart => ({ head: true, text });
  const line = (text: string): KitPart => ({ text });
  return [
    head('What this is'),
    line(
      `If ${patient} loses the keystore (the file with the keys to the medical records) or its passphrase, the ` +
        'people named here, the guardians, can help to get the keys back. This sheet opens nothing: it holds no ' +
        'key, no password and nothing medical. Keep it where you would look for it, for example with your papers.',
    ),
    head(`Guardians (${needed} of these ${guardians.length} are needed)`),
    ...guardians.map((name, at) => line(`${at + 1}.  ${name}     telephone: ____________________`)),
    line('Each has a file (the package) and an own keystore with a passphrase. Both are needed.'),
    head('After a loss'),
    ...[
      'On a new computer install carequorum and get the network file from your hospital. Compare the fingerprint below.',
      'Run:  carequorum recover start --keystore new.keystore --name "YOUR NAME" --out request.json   It shows the thumbprint of a new key. Go to your hospital with your papers: the operator writes a letter for that key.',
      'Send request.json to the guardians. Ring each of them up and read out the number that the computer shows. They run:  carequorum recover approve request.json --package PACKAGE --out approval.json   and send you approval.json.',
      `With ${needed} approvals run:  carequorum recover start --keystore new.keystore --letter LETTER --approval FILE --approval FILE`,
      `Wait for ${delayText}. That time is for your safety: if somebody else were doing this in your name, you would be told and could stop it.`,
      'Run:  carequorum recover finish --keystore new.keystore   It shows whom you let read, and asks: leave out whom you do not know. You get new keys, and your records are encrypted anew. Then name guardians again, make a new emergency card if you had one, and throw this sheet away.',
    ].map((text, at) => line(`${at + 1}.  ${text}`)),
    head('If you lost nothing and are told of a recovery'),
    line(
      'Then somebody else is trying. Run at once:  carequorum recover veto --keystore YOUR.keystore   (with ' +
        '--rotation-key FILE if you made a rotation key: without it you only gain time)   Then name ' +
        'guardians anew, and ask yourself who of them would have signed.',
    ),
    head('For whoever finds this sheet'),
    line('It is of no use to anybody but its owner. Please give it back, or destroy it.'),
    head('Facts'),
    line(`Network ${network}, guardians of ${since}.`),
    line(`Fingerprint of the network file: ${groups(genesisHash)}`),
  ];
}

export function kitText(parts: readonly KitPart[]): string {
  const lines = parts.map(({ head, text }) => (head ? `\n${text.toUpperCase()}` : text));
  return `RECOVERY KIT\n${lines.join('\n')}\n`;
}

export async function kitPdf(parts: readonly KitPart[]): Promise<Uint8Array> {
  const document = new PDFDocument({
    size: 'A4',
    margin: 56,
    info: { Title: 'Recovery kit', Author: 'CareQuorum' },
  });
  const chunks: Buffer[] = [];
  document.on('data', (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise<void>((resolve, reject) => {
    document.once('end', resolve);
    document.once('error', reject);
  });
  document.font('Helvetica-Bold').fontSize(22).text('Recovery kit');
  for (const { head, text } of parts) {
    if (head) document.moveDown(0.8).font('Helvetica-Bold').fontSize(12).text(text);
    else document.moveDown(0.25).font('Helvetica').fontSize(10).text(text, { lineGap: 1.5 });
  }
  document.end();
  await ended;
  return new Uint8Array(Buffer.concat(chunks));
}

function groups(hex: string): string {
  return (hex.match(/.{1,8}/g) ?? []).join(' ');
}
