/** Looks at a keystore: the file, who may read it, whom it is of, and what in it ends soon. */
import { readFile, stat } from 'node:fs/promises';
import { fromBase64url } from '../../lib/crypto/bytes.ts';
import { thumbprint } from '../../lib/crypto/p256.ts';
import { parseCertificate } from '../../lib/membership/certificates.ts';
import type { Genesis } from '../../lib/wire/genesis.ts';
import { SdkError } from '../../sdk/errors.ts';
import type { Keystore } from '../../sdk/keystore.ts';
import { clinicianDataSchema, patientDataSchema } from '../../sdk/keystore-data.ts';
import { type KeystoreOpenPart, parseKeystoreFile } from '../../sdk/keystore-format.ts';
import { isErrno } from '../../sdk/platform/node.ts';
import { plural } from '../output.ts';
import { spanText, timeText } from '../times.ts';
import { type Finding, findings } from './finding.ts';

export interface KeystoreCheck {
  readonly path: string;
  /** Null where no passphrase was given: then it stays closed. */
  readonly open: (() => Promise<Keystore>) | null;
  readonly genesis: Genesis | null;
  readonly now: number;
}

/** Others than the owner may read or write. */
const OTHERS_MASK = 0o077;
/** Certificates are renewed by the commands from then on. */
const END_SOON_MS = 30 * 86_400_000;
/** A one-time certificate is of use no more so long before its end. */
const SPARE_MS = 3_600_000;
/** Fewer are resupplied by the next command that needs one. */
const ONE_TIME_FEW = 5;

/** Never throws for what is wrong with the keystore. */
export async function checkKeystore(check: KeystoreCheck): Promise<Finding[]> {
  const { path } = check;
  const file = findings('keystore', path);
  let open: KeystoreOpenPart;
  try {
    open = parseKeystoreFile(await readFile(path, 'utf8'));
  } catch (error) {
    return [file.wrong(...unreadable(error))];
  }
  const found = [
    file.ok(`is a keystore of kind ${open.kind}, key ${open.kid.slice(0, 10)}…`),
    await checkMode(path),
    ...checkOperator(open, check),
  ];
  if (check.open === null) {
    const step = 'Give its passphrase with --passphrase-file FILE to look inside.';
    return [...found, file.skipped('was not opened: no passphrase was given', step)];
  }
  try {
    return [...found, ...checkContent(await check.open(), check)];
  } catch (error) {
    if (!(error instanceof SdkError)) throw error;
    return [...found, file.wrong(`does not open: ${error.message}`, error.nextStep)];
  }
}

function unreadable(error: unknown): [string, string] {
  if (error instanceof SdkError) return [error.message, error.nextStep];
  if (isErrno(error, 'ENOENT')) {
    return ['is not there', 'Check --keystore, or make one with `carequorum enrol`.'];
  }
  if (isErrno(error, 'EACCES') || isErrno(error, 'EPERM')) {
    return ['may not be read by you', 'Run this as its owner: `ls -l` shows who that is.'];
  }
  if (isErrno(error, 'EISDIR')) return ['is a folder', 'Give the file with --keystore.'];
  throw error;
}

async function checkMode(path: string): Promise<Finding> {
  const file = findings('keystore_mode', path);
  // Windows keeps permissions elsewhere, and says the same mode for every file.
  if (process.platform === 'win32') return file.skipped('has permissions that are not looked at');
  const { mode } = await stat(path);
  const text = (mode & 0o777).toString(8).padStart(3, '0');
  return (mode & OTHERS_MASK) === 0
    ? file.ok(`only its owner may read it (mode ${text})`)
    : file.wrong(`others on this machine may use it (mode ${text})`, `Run: chmod 600 ${path}`);
}

/** An operator's key stands in genesis, unless it was replaced or came later. */
function checkOperator(open: KeystoreOpenPart, { path, genesis }: KeystoreCheck): Finding[] {
  if (open.kind !== 'operator' || genesis === null) return [];
  const file = findings('operator', path);
  const hospital = genesis.document.validators.find(
    ({ operatorKey }) => thumbprint(fromBase64url(operatorKey)) === open.kid,
  );
  if (hospital) return [file.ok(`signed genesis as the operator of ${hospital.id}`)];
  const says = 'is of no operator who signed genesis';
  return [file.warning(says, 'See with `carequorum validators` whether the key was put in later.')];
}

function checkContent(keystore: Keystore, check: KeystoreCheck): Finding[] {
  const file = findings('keystore', keystore.path);
  const opened = file.ok(`opens, and holds the key that it names`);
  if (keystore.kind === 'clinician') {
    const data = clinicianDataSchema.safeParse(keystore.data);
    return [opened, ...checkEnrolment(data.data?.enrolment, check)];
  }
  if (keystore.kind !== 'patient') return [opened];
  // A new device on its way to a patient's keys holds none of them yet.
  const data = patientDataSchema.safeParse(keystore.data).data;
  if (!data) return [opened];
  return [
    opened,
    ...checkEnrolment(data.enrolment, check),
    checkOneTime(
      data.oneTime.map(({ notAfter }) => notAfter),
      check,
    ),
  ];
}

type Enrolment = {
  readonly network: string;
  readonly status: string;
  readonly certificate?: string | undefined;
};

function checkEnrolment(enrolment: Enrolment | undefined, check: KeystoreCheck): Finding[] {
  const { path, genesis, now } = check;
  const file = findings('certificate', path);
  if (!enrolment) {
    return [file.warning('is not enrolled', 'Enrol with `carequorum enrol`.')];
  }
  const network = genesis?.document.network;
  if (network !== undefined && enrolment.network !== network) {
    const step = 'Give the network file of that network with --network.';
    return [file.wrong(`is enrolled in ${enrolment.network}, not in ${network}`, step)];
  }
  if (enrolment.certificate === undefined) {
    const step = 'Run `carequorum enrol` again in a while: registers are asked every hour.';
    return [file.warning(`its enrolment is ${enrolment.status}`, step)];
  }
  const { notAfter } = parseCertificate(fromBase64url(enrolment.certificate));
  const left = notAfter - now;
  if (left <= 0) {
    const step = 'Get new keys for the same person: `carequorum reenrol --help`.';
    return [file.wrong(`its certificate ended at ${timeText(notAfter)}`, step)];
  }
  if (left < END_SOON_MS) {
    const step = 'Renew it with `carequorum renew`; other commands do so by themselves.';
    return [file.warning(`its certificate ends in ${spanText(left)}`, step)];
  }
  return [file.ok(`its certificate is good for ${spanText(left)}`)];
}

function checkOneTime(ends: readonly number[], { path, now }: KeystoreCheck): Finding {
  const file = findings('one_time_certificates', path);
  const good = ends.filter((end) => end > now + SPARE_MS).length;
  if (good >= ONE_TIME_FEW) return file.ok(`has ${plural(good, 'one-time certificate')} left`);
  const says = `has ${plural(good, 'one-time certificate')} left`;
  return file.warning(
    says,
    'Nothing is to do while membership answers: the next command gets more.',
  );
}
