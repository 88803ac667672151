/** The custodian, and any f validators, given all that they store and see: what they do not learn. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toBase64url, utf8 } from '../../lib/crypto/bytes.ts';
import type { Clinician } from '../../sdk/clinician.ts';
import { grant } from '../../sdk/grants.ts';
import type { Patient } from '../../sdk/patient.ts';
import { fileSink, fileSource } from '../../sdk/platform/node.ts';
import { makeWorld, type World } from '../sdk/world.ts';

const HOUR = 3_600_000;
const CONTENT = 'haemoglobin eleven point two';
const secrets = {
  content: CONTENT,
  'name of the file': 'Blutbild-Sommer',
  'media type': 'application/x-blood-count',
  'name of the category': 'oncology-followup',
  'name of the patient': 'Wilhelmina Quistgaard',
};

let world: World;
let writer: Clinician;
let reader: Clinician;
let patient: Patient;
/** Everything that is sent to a party or answered by it, by origin. */
const seen = new Map<string, string[]>();

beforeAll(async () => {
  world = await makeWorld();
  for (const [origin, handler] of Object.entries(world.handlers)) {
    const texts: string[] = [];
    seen.set(origin, texts);
    world.handlers[origin] = async (request) => {
      const answer = await handler(request);
      texts.push(JSON.stringify([request.url.href, [...request.headers], request.body, answer]));
      return answer;
    };
  }
  [writer, reader, patient] = await Promise.all([
    world.doctor('Ada Okonjo', 0, '1000000012'),
    world.doctor('Bruno Castellan', 1, '1000000020'),
    world.patient(secrets['name of the patient'], [secrets['name of the category']]),
  ]);
  const categories = [secrets['name of the category']];
  const until = Date.now() + HOUR;
  await grant(patient, { to: { npi: '1000000012' }, rights: ['write'], categories, until });
  await grant(patient, { to: { npi: '1000000020' }, rights: ['read'], categories, until });
  const path = join(world.folder, 'secret');
  await writeFile(path, CONTENT);
  await writer.upload(await fileSource(path, `${secrets['name of the file']}.txt`), {
    pseudonym: patient.pseudonym,
    category: categories[0] as string,
    mediaType: secrets['media type'],
  });
  for (const one of world.hospitals.values()) await one.replicate();
  const { listed } = await reader.list(patient.pseudonym);
  await reader.read(listed[0]!.record, () => fileSink(join(world.folder, 'out')));
  await patient.history();
});
afterAll(() => world.close());

interface View {
  texts: string[];
  bytes: Uint8Array[];
}

function custodian(): View {
  const texts = [world.wraps.dump(), ...(seen.get('http://records.test') ?? [])];
  return { texts, bytes: [...world.objects.values()] };
}

/** A validator: its ledger, escrow, copies, and all that it is sent. */
function validator(id: string): View {
  const { store, objects } = world.hospitals.get(id)!;
  const escrow = world.escrows.get(id)!;
  return {
    texts: [store.dump(), escrow.dump(), ...(seen.get(`http://${id}.test`) ?? [])],
    bytes: [...objects.values(), ...world.ledger.stored],
  };
}

/** In clear, or in any of the encodings in which things travel here. */
function learns({ texts, bytes }: View, secret: string): boolean {
  const raw = Buffer.from(utf8(secret));
  // In base64, a text shows from whichever of three offsets it starts at.
  const encoded = [0, 1, 2].map((offset) => {
    const padded = toBase64url(Buffer.concat([Buffer.alloc(offset), raw]));
    return padded.slice(Math.ceil((offset * 4) / 3), -3);
  });
  const forms = [secret, raw.toString('latin1'), raw.toString('hex'), ...encoded];
  if (texts.some((text) => forms.some((form) => text.includes(form)))) return true;
  return bytes.some((one) => {
    const text = Buffer.from(one).toString('latin1');
    return forms.some((form) => text.includes(form));
  });
}

const parties: [string, () => View][] = [
  ['the custodian', custodian],
  ...['a', 'b', 'c', 'd'].map((letter): [string, () => View] => [
    `the validator hospital-${letter}`,
    () => validator(`hospital-${letter}`),
  ]),
];

describe.each(parties)('%s', (_name, view) => {
  it.each(Object.entries(secrets))('does not learn the %s', (_what, secret) => {
    expect(learns(view(), secret)).toBe(false);
  });

  it('learns the pseudonym, and that somebody read', () => {
    expect(learns(view(), patient.pseudonym)).toBe(true);
  });
});

describe('the search', () => {
  it('finds what is there, in each form', () => {
    for (const text of [CONTENT, toBase64url(utf8(`x${CONTENT}`)), toBase64url(utf8(CONTENT))]) {
      expect(learns({ texts: [`before ${text} after`], bytes: [] }, CONTENT)).toBe(true);
      expect(learns({ texts: [], bytes: [utf8(text)] }, CONTENT)).toBe(true);
    }
  });

  it('finds in the copy of a hospital the size and the uploader, which it may know', () => {
    const { store } = world.hospitals.get('hospital-b')!;
    expect(store.keys().some((key) => key.startsWith('record#'))).toBe(true);
    expect(learns(custodian(), writer.keystore.kid)).toBe(true);
  });
});
