/** One real local network in a folder of its own, with the people of a journey. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBase64url } from '../../../lib/crypto/bytes.ts';
import { openOperator } from '../../../local/lib/operators.ts';
import { accountLayout, type Layout, layoutOf } from '../../../local/lib/layout.ts';
import { type LocalNetwork, startLocalNetwork } from '../../../local/local-network.ts';
import { CLINICIANS } from '../../../local/lib/registry-answers.ts';
import { Clinician } from '../../../sdk/clinician.ts';
import { createKeystore, type Keystore } from '../../../sdk/keystore.ts';
import type { KeystoreKind } from '../../../sdk/keystore-format.ts';
import { type Network, parseNetworkFile } from '../../../sdk/network-file.ts';
import type { NetworkClientOptions } from '../../../sdk/network-client.ts';
import { Operator } from '../../../sdk/operator.ts';
import { Patient, preparePatient } from '../../../sdk/patient.ts';
import { nodeFiles } from '../../../sdk/platform/node.ts';
import { openSession, type Session } from '../../../sdk/session.ts';
import type { Uii } from '../../../sdk/uii.ts';
import { type Account, accountOf } from './emulator.ts';

export const VALIDATORS = ['hospital-a', 'hospital-b', 'hospital-c', 'hospital-d'] as const;

export interface World {
  readonly folder: string;
  readonly layout: Layout;
  readonly local: LocalNetwork;
  readonly network: Network;
  /** Passphrase of every keystore of these tests. */
  readonly passphrase: string;
  account(id: string): Account;
  accounts(): Account[];
  logFile(id: string): string;
  session(options?: NetworkClientOptions): Session;
  operator(hospital: string, options?: NetworkClientOptions): Promise<Operator>;
  keystore(kind: KeystoreKind, label: string): Promise<Keystore>;
  /** The nth clinician of the registry, enrolled and approved. */
  doctor(index: number, hospital: string): Promise<Clinician>;
  patient(uii: Uii & { name: string }, categories: readonly string[]): Promise<Patient>;
  /** A file below the world's folder. */
  file(name: string, content: string | Uint8Array): string;
  close(): Promise<void>;
}

/** Starts a network; on failure nothing is left. The log of the start is in the error's message. */
export async function startWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'cq-e2e-'));
  const home = join(folder, 'network');
  const lines: string[] = [];
  try {
    const local = await startLocalNetwork({ folder: home, log: (line) => lines.push(line) });
    const network = await parseNetworkFile(readFileSync(local.networkFile, 'utf8'));
    return worldOf({ folder, layout: layoutOf(home), local, network });
  } catch (cause) {
    rmSync(folder, { recursive: true, force: true });
    throw new Error(`the network did not start:\n${lines.join('\n')}`, { cause });
  }
}

function worldOf(parts: Pick<World, 'folder' | 'layout' | 'local' | 'network'>): World {
  const { folder, layout, local, network } = parts;
  const members = local.members.filter((member) => member.account !== null);
  const accounts = new Map(members.map((member) => [member.id, accountOf(member)]));
  const passphrase = `pass ${crypto.randomUUID()}`;
  // The tests take other hospitals down.
  const preferred = members[0]?.id;
  const session = (options?: NetworkClientOptions): Session => openSession(network, options);
  const operator: World['operator'] = async (hospital, options) =>
    new Operator(session(options), await openOperator(layout, hospital));
  const keystore: World['keystore'] = (kind, label) => {
    const path = join(folder, 'keystores', `${crypto.randomUUID()}.keystore`);
    return createKeystore({ path, passphrase, kind, label, workFactor: 8 });
  };
  return {
    ...parts,
    passphrase,
    account(id) {
      const account = accounts.get(id);
      if (!account) throw new RangeError(`no account ${id}`);
      return account;
    },
    accounts: () => [...accounts.values()],
    logFile: (id) => accountLayout(layout, id).log,
    session,
    operator,
    keystore,
    async doctor(index, hospital) {
      const clinician = CLINICIANS[index];
      if (!clinician) throw new RangeError('no such clinician');
      const { firstName, lastName, npi, state, license: licence } = clinician;
      const name = `${firstName} ${lastName}`;
      const kept = await keystore('clinician', `${name} #${npi}`);
      const doctor = new Clinician(session({ preferred }), kept, nodeFiles);
      const identity = { name, npi, state, licence, hospital };
      const enrolment = await doctor.enrol('doctor', identity);
      const certificate = fromBase64url(enrolment?.certificate ?? '');
      await (await operator(hospital)).approve(certificate);
      return doctor;
    },
    async patient(uii, categories) {
      const kept = await keystore('patient', 'patient');
      await preparePatient(kept, uii);
      const patient = await Patient.open(session({ preferred }), kept);
      const { name, birthDate } = uii;
      await patient.enrol({ name, birthDate });
      await patient.register(categories);
      return patient;
    },
    file(name, content) {
      const path = join(folder, name);
      writeFileSync(path, content);
      return path;
    },
    async close() {
      await local.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
