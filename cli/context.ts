/** What a command works with: its options, the network, the keystore, and the person at the keys. */
import { appendFile, readFile } from 'node:fs/promises';
import { toBase64url } from '../lib/crypto/bytes.ts';
import { Clinician } from '../sdk/clinician.ts';
import { maintainEmergency, type Maintained } from '../sdk/emergency.ts';
import { SdkError } from '../sdk/errors.ts';
import { readNetworkFile } from '../sdk/genesis.ts';
import { fetchTransport, type Transport } from '../sdk/http.ts';
import type { Keystore } from '../sdk/keystore.ts';
import { formatMemory, type NetworkMemory, parseMemory } from '../sdk/memory.ts';
import type { Network } from '../sdk/network-file.ts';
import { Operator } from '../sdk/operator.ts';
import { Patient } from '../sdk/patient.ts';
import type { DocumentSink, FilePlatform } from '../sdk/platform/files.ts';
import { nodeFiles, readTextFile, writeTextFile } from '../sdk/platform/node.ts';
import { isRenewalDue, renewKeys } from '../sdk/renewal.ts';
import { openSession, type Session } from '../sdk/session.ts';
import type { CliEnvironment } from './environment.ts';
import { UsageError } from './errors.ts';
import { type CommonOptions, NETWORK_DEFAULT } from './options.ts';
import { clean, showStep } from './output.ts';

/** Whoever holds a keystore. */
export type Person =
  | { readonly kind: 'patient'; readonly patient: Patient }
  | { readonly kind: 'clinician'; readonly clinician: Clinician }
  | { readonly kind: 'operator'; readonly operator: Operator };

const PASSPHRASE_TRIES_MAX = 3;

export class CommandContext {
  readonly environment: CliEnvironment;
  readonly #options: CommonOptions;
  readonly #sessions: Session[] = [];
  #network: Promise<Network> | null = null;

  constructor(environment: CliEnvironment, options: CommonOptions) {
    this.environment = environment;
    this.#options = options;
  }

  now(): number {
    return this.environment.clock.now();
  }

  /** A line for people beside the result; not part of it. */
  note(line: string): void {
    this.environment.err(`${clean(line)}\n`);
  }

  get networkPath(): string {
    return this.#options.network ?? this.environment.env['CAREQUORUM_NETWORK'] ?? NETWORK_DEFAULT;
  }

  network(): Promise<Network> {
    this.#network ??= readNetworkFile(this.networkPath);
    return this.#network;
  }

  /** `wrap` may look at what goes over the line. */
  async session(wrap: (transport: Transport) => Transport = (same) => same): Promise<Session> {
    const network = await this.network();
    const { validator } = this.#options;
    const memory = await this.#recall(network);
    const ids = (memory?.members ?? network).validators.map(({ id }) => id);
    if (validator !== undefined && !ids.includes(validator)) {
      throw new UsageError(`There is no validator ${validator}.`, `Give one of ${ids.join(', ')}.`);
    }
    const session = openSession(network, {
      memory,
      transport: wrap(this.environment.transport ?? fetchTransport),
      clock: this.environment.clock,
      preferred: validator,
      onNotice: (notice) => {
        if (notice.type === 'lied') {
          this.note(`Warning: ${notice.validator} gave a wrong proof; others are asked instead.`);
        }
      },
    });
    this.#sessions.push(session);
    return session;
  }

  /** Keeps what was seen of the network, so that the next command is shown nothing older. */
  async remember(): Promise<void> {
    for (const { client, network } of this.#sessions) {
      const { memory } = client;
      const before = memory && (await this.#recall(network));
      if (!memory || (before && !isNewer(memory, before))) continue;
      const text = formatMemory(network.genesis, memory);
      // A folder that may not be written costs the memory, and nothing else.
      await writeTextFile(this.#memoryPath, text, { isPrivate: true }).catch(() => undefined);
    }
  }

  get #memoryPath(): string {
    return `${this.networkPath}.seen`;
  }

  async #recall(network: Network): Promise<NetworkMemory | null> {
    const text = await readTextFile(this.#memoryPath).catch(() => null);
    return text === null ? null : parseMemory(network.genesis, text);
  }

  get keystorePath(): string {
    const path = this.#options.keystore ?? this.environment.env['CAREQUORUM_KEYSTORE'];
    if (path !== undefined && path !== '') return path;
    throw new UsageError(
      'Nothing says where your keys are.',
      'Give your keystore with --keystore FILE, or set CAREQUORUM_KEYSTORE.',
    );
  }

  /** The passphrase without asking, or null. */
  async givenPassphrase(): Promise<string | null> {
    const { passphraseFile } = this.#options;
    if (passphraseFile !== undefined) {
      const text = await readFile(passphraseFile, 'utf8');
      return text.replace(/\r?\n$/, '');
    }
    const given = this.environment.env['CAREQUORUM_PASSPHRASE'];
    return given === undefined || given === '' ? null : given;
  }

  async keystore(): Promise<Keystore> {
    const { environment, keystorePath: path } = this;
    const given = await this.givenPassphrase();
    if (given !== null) return this.#open(path, given);
    if ((await readTextFile(path)) === null) {
      throw new SdkError('keystore_missing', `There is no keystore at ${path}.`, {
        nextStep: 'Check --keystore, or make one with `carequorum enrol`.',
      });
    }
    this.#requirePerson('The passphrase of the keystore is needed', passphraseStep);
    for (let tries = 1; ; tries += 1) {
      const typed = await environment.askSecret(`Passphrase of ${clean(path)}: `);
      try {
        return await this.#open(path, typed);
      } catch (error) {
        const isWrong = error instanceof SdkError && error.code === 'wrong_passphrase';
        if (!isWrong || tries >= PASSPHRASE_TRIES_MAX) throw error;
        this.note('That is not the passphrase.');
      }
    }
  }

  /** A passphrase for a new keystore; typed twice. */
  async newPassphrase(): Promise<string> {
    const given = await this.givenPassphrase();
    if (given !== null) return given;
    this.#requirePerson('A new keystore needs a passphrase', passphraseStep);
    const { environment } = this;
    this.note('Choose a passphrase: four or five random words are good. Nobody can recover it.');
    for (;;) {
      const first = await environment.askSecret('New passphrase: ');
      const second = await environment.askSecret('The same again:  ');
      if (first === second) return first;
      this.note('The two are not the same.');
    }
  }

  /** Whoever holds the keystore; a clinician's keys are renewed in time unless `renews` is false. */
  async person(
    wrap?: (transport: Transport) => Transport,
    { renews = true } = {},
  ): Promise<Person> {
    const session = await this.session(wrap);
    const keystore = await this.keystore();
    if (keystore.kind === 'operator') {
      return { kind: 'operator', operator: await Operator.open(session, keystore) };
    }
    if (keystore.kind === 'clinician') {
      const clinician = new Clinician(session, keystore, this.files);
      return { kind: 'clinician', clinician: renews ? await this.#renewed(clinician) : clinician };
    }
    const patient = await Patient.open(session, keystore);
    await this.#keepEmergency(patient);
    return { kind: 'patient', patient };
  }

  /** Nothing else is held up by a summary that waits for the next time. */
  async #keepEmergency(patient: Patient): Promise<void> {
    try {
      const note = maintainedText[await maintainEmergency(patient)];
      if (note !== undefined) this.note(note);
    } catch (error) {
      if (!(error instanceof SdkError) || error.code === 'aborted') throw error;
      this.note(`Warning: your emergency summary could not be looked after. ${error.message}`);
    }
  }

  async patient(wrap?: (transport: Transport) => Transport): Promise<Patient> {
    const person = await this.person(wrap);
    if (person.kind === 'patient') return person.patient;
    throw this.#wrongPerson(person.kind, 'a patient');
  }

  async clinician(options: { renews?: boolean } = {}): Promise<Clinician> {
    const person = await this.person(undefined, options);
    if (person.kind === 'clinician') return person.clinician;
    throw this.#wrongPerson(person.kind, 'a clinician');
  }

  async operator(): Promise<Operator> {
    const person = await this.person();
    if (person.kind === 'operator') return person.operator;
    throw this.#wrongPerson(person.kind, 'an operator');
  }

  /** Shows what is about to happen, and asks. Throws `aborted` on no, which `refused` then says. */
  async confirm(
    lines: readonly string[],
    question: string,
    refused = 'You did not say yes: nothing was done.',
  ): Promise<void> {
    if (!(this.#options.yes === true && this.#options.json === true)) {
      for (const line of lines) this.note(line);
    }
    if (this.#options.yes === true) return;
    this.#requirePerson('This has to be confirmed', 'Add --yes to do it without being asked.');
    const answer = (await this.environment.ask(`${question} [y/N] `)).trim().toLowerCase();
    if (answer === 'y' || answer === 'yes') return;
    throw new SdkError('aborted', refused, {
      nextStep: 'Run the command again and answer y, or change what it is to do.',
    });
  }

  /** What a person types to a question. Throws `bad_input` where there is nobody. */
  async ask(question: string): Promise<string> {
    this.#requirePerson('An answer is needed', 'Give it as an option: see --help.');
    return this.environment.ask(clean(question));
  }

  /** Whether `confirm` would ask. */
  get asks(): boolean {
    return this.#options.yes !== true;
  }

  /** Long work that a first Ctrl-C lets end; shown while it goes on. */
  async work<T>(title: string, work: () => Promise<T>): Promise<T> {
    return this.environment.interrupt.protect(() => showStep(this.environment, title, work));
  }

  /** Work that Ctrl-C may end at any time. */
  async look<T>(title: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { signal } = this.environment.interrupt;
    return showStep(this.environment, title, () => work(signal));
  }

  /** Adds receipts to the file of --receipts. */
  async keepReceipts(results: readonly { readonly receipt: Uint8Array }[]): Promise<void> {
    const { receipts } = this.#options;
    if (receipts === undefined || results.length === 0) return;
    const lines = results.map(({ receipt }) => `${toBase64url(receipt)}\n`);
    await appendFile(receipts, lines.join(''));
  }

  /** Spools that are gone even when a second Ctrl-C ends the program. */
  get files(): FilePlatform {
    const { interrupt } = this.environment;
    return {
      async spool() {
        const spool = await nodeFiles.spool();
        const discard = (): Promise<void> => spool.discard();
        const forget = interrupt.track(discard);
        return { ...spool, discard: () => discard().finally(forget) };
      },
    };
  }

  /** As `files`, for a document that is being written in clear. */
  trackSink(sink: DocumentSink): DocumentSink {
    const forget = this.environment.interrupt.track(() => sink.discard());
    return {
      write: (bytes) => sink.write(bytes),
      keep: () => sink.keep().finally(forget),
      discard: () => sink.discard().finally(forget),
    };
  }

  /** In the last month of a certificate. What fails is told, and tried again the next time. */
  async #renewed(clinician: Clinician): Promise<Clinician> {
    if (!isRenewalDue(clinician)) return clinician;
    try {
      const renewed = await this.work('Renewing your keys', () => renewKeys(clinician, this.files));
      this.note(`Your keys were renewed. Thumbprint: ${renewed.clinician.keystore.kid}`);
      return renewed.clinician;
    } catch (error) {
      if (!(error instanceof SdkError)) throw error;
      this.note(`Your keys could not be renewed: ${error.message} ${error.nextStep}`);
      return clinician;
    }
  }

  async #open(path: string, passphrase: string): Promise<Keystore> {
    return showStep(this.environment, 'Opening the keystore', () =>
      this.environment.openKeystore(path, passphrase),
    );
  }

  #requirePerson(what: string, nextStep: string): void {
    if (this.environment.isInteractive) return;
    throw new SdkError('bad_input', `${what}, and there is nobody to ask.`, { nextStep });
  }

  #wrongPerson(found: string, wanted: string): SdkError {
    return new SdkError(
      'wrong_keystore',
      `This is for ${wanted}; ${this.keystorePath} is the keystore of a ${found}.`,
      { nextStep: `Give the keystore of ${wanted} with --keystore.` },
    );
  }
}

const maintainedText: Partial<Record<Maintained, string>> = {
  repaired: 'A hospital that was away has its part of your emergency summary’s key now.',
  renewed: 'The hospitals changed: the key of your emergency summary was split anew.',
  'new-card':
    'Your emergency card is void: print the new one with `carequorum emergency card --out card.pdf`.',
  withdrawn: 'Emergency access was ended from another device.',
};

/** Whether a later block was seen, or other members at the same height. */
function isNewer(memory: NetworkMemory, before: NetworkMemory): boolean {
  if (memory.seenHeight !== before.seenHeight) return memory.seenHeight > before.seenHeight;
  return memory.members?.setHash !== before.members?.setHash;
}

const passphraseStep = 'Give it with --passphrase-file FILE, or set CAREQUORUM_PASSPHRASE.';
