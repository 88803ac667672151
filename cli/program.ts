/** The program: its commands, how they are run, and how their results and errors are told. */
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addApprove } from './commands/approve.ts';
import { addClaim } from './commands/claim.ts';
import { addCase } from './commands/case.ts';
import { addCopies } from './commands/copies.ts';
import { addCountersign } from './commands/countersign.ts';
import { addDispute } from './commands/dispute.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEmergency } from './commands/emergency.ts';
import { addEnrol } from './commands/enrol.ts';
import { addErase } from './commands/erase.ts';
import { addExport } from './commands/export.ts';
import { addGenesis } from './commands/genesis.ts';
import { addGovernance } from './commands/governance.ts';
import { addGrant } from './commands/grant.ts';
import { addGuardians } from './commands/guardians.ts';
import { addHistory } from './commands/history.ts';
import { addInbox } from './commands/inbox.ts';
import { addInsurer } from './commands/insurer.ts';
import { addLetter } from './commands/letter.ts';
import { addNetwork } from './commands/network.ts';
import { addPrivate } from './commands/private.ts';
import { addPermission } from './commands/permission.ts';
import { addPharmacy } from './commands/pharmacy.ts';
import { addPrescription } from './commands/prescription.ts';
import { addRead } from './commands/read.ts';
import { addRecover } from './commands/recover.ts';
import { addRecords } from './commands/records.ts';
import { addReenrol } from './commands/reenrol.ts';
import { addRenew } from './commands/renew.ts';
import { addRetract } from './commands/retract.ts';
import { addResearch } from './commands/research.ts';
import { addRevoke } from './commands/revoke.ts';
import { addStudy } from './commands/study.ts';
import { addTeam } from './commands/team.ts';
import { addUnmask } from './commands/unmask.ts';
import { addRepresentative } from './commands/representative.ts';
import { addRotate } from './commands/rotate.ts';
import { addUpload } from './commands/upload.ts';
import { addValidators } from './commands/validators.ts';
import { addVerify } from './commands/verify.ts';
import { CommandContext } from './context.ts';
import type { CliEnvironment } from './environment.ts';
import { reportOf } from './errors.ts';
import { exitCodes } from './exit-codes.ts';
import { markIds } from './options.ts';
import { clean } from './output.ts';
import type { Runner } from './runner.ts';

const adders: readonly ((program: Command, run: Runner) => void)[] = [
  addEnrol,
  addApprove,
  addLetter,
  addRenew,
  addReenrol,
  addGrant,
  addPermission,
  addRevoke,
  addRotate,
  addGuardians,
  addRecover,
  addRepresentative,
  addUpload,
  addCountersign,
  addDispute,
  addRetract,
  addRecords,
  addRead,
  addCopies,
  addErase,
  addHistory,
  addPrivate,
  addExport,
  addInbox,
  addEmergency,
  addTeam,
  addCase,
  addStudy,
  addResearch,
  addPrescription,
  addPharmacy,
  addClaim,
  addInsurer,
  addVerify,
  addNetwork,
  addDoctor,
  addUnmask,
  addValidators,
  addGovernance,
  addGenesis,
];

/** Runs one command line, without the program's name; gives the exit code. */
export async function runCli(
  argv: readonly string[],
  environment: CliEnvironment,
): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const program = makeProgram(environment, (code) => (exitCode = code));
  const command = program.commands.find((one) => one.name() === argv[0])?.name();
  try {
    await program.parseAsync(markIds(argv, program), { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
    return tell(error, command, environment, argv.includes('--json'));
  }
}

/** The program with all its commands; nothing is run yet. `onExit` is told of other codes than 0. */
export function makeProgram(
  environment: CliEnvironment,
  onExit: (code: number) => void = () => undefined,
): Command {
  const program = new Command('carequorum')
    .description('Share medical records: patients decide, a quorum of hospitals keeps the word.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain the command')
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => environment.out(text),
      // Errors are told once, by `tell`.
      writeErr: () => undefined,
    })
    .addHelpText('after', overview);
  const run: Runner = async (options, work) => {
    const context = new CommandContext(environment, options);
    const { json, lines, exitCode } = await work(context).finally(() => context.remember());
    if (options.json === true) environment.out(`${JSON.stringify(json, null, 2)}\n`);
    else for (const line of lines) environment.out(`${clean(line)}\n`);
    if (exitCode !== undefined) onExit(exitCode);
  };
  for (const add of adders) add(program, run);
  return program;
}

function tell(
  error: unknown,
  command: string | undefined,
  environment: CliEnvironment,
  isJson: boolean,
): number {
  const { exitCode, ...report } = reportOf(error, command);
  if (isJson) environment.out(`${JSON.stringify({ error: report }, null, 2)}\n`);
  else environment.err(`${clean(report.message)}\nNext: ${clean(report.nextStep)}\n`);
  const isDebug = environment.env['CAREQUORUM_DEBUG'] === '1';
  if (isDebug && error instanceof Error) environment.err(`${error.stack ?? ''}\n`);
  return exitCode;
}

const overview = `
Examples:
  $ carequorum network
  $ carequorum enrol --role patient --keystore anna.keystore --name "Anna Muster" --birth-date 1961-04-23
  $ carequorum grant --keystore anna.keystore --to 1000000012 --rights read --category laboratory --until 180d

Each command explains itself: carequorum COMMAND --help
Exit codes: 0 done, 1 refused or failed, 2 wrong command line, 130 ended by Ctrl-C.`;

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
