/** `npm run model`: searches the models of docs/model.md with Spin, or checks traces by them. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { type Check, checks } from './checks.ts';
import { conforms, runsOf } from './conformance.ts';
import { ModelError } from './errors.ts';
import { runChecks } from './run.ts';
import { prepareTools } from './tools.ts';

interface Options {
  quick?: boolean;
  full?: boolean;
  only?: string;
  trace?: string;
  json?: boolean;
}

const examples = `
Examples:
  npm run model                          every model but the longest, and every broken variant
  npm run model -- --quick               the small models and the broken variants
  npm run model -- --only rejoin
  npm run sim -- --profile crashes --seed 7 --runs 1 --events events.jsonl
  npm run model -- --trace events.jsonl

Models must hold in every state; broken variants must be refuted. docs/model.md says what they are.`;

const program = new Command('model')
  .description('Checks the consensus rules in every state of small worlds, with Spin.')
  .option('--quick', 'the small models and the broken variants only')
  .option('--full', 'the longest models as well (minutes, and a few GB of memory)')
  .option('--only <text>', 'checks whose name contains this')
  .option('--trace <file>', 'check runs of the simulator against the model instead')
  .option('--json', 'print the results as JSON')
  .addHelpText('after', examples)
  .action(main);

async function main(options: Options): Promise<void> {
  const say = (line: string): void => {
    if (options.json !== true) process.stdout.write(`${line}\n`);
  };
  await prepareTools((line) => process.stderr.write(`${line}\n`));
  if (options.trace !== undefined) return checkTraces(options.trace, options, say);
  const chosen = chosenChecks(options);
  const started = performance.now();
  const results = await runChecks(chosen, (result, count) => {
    const mark = result.isGood ? '✓' : '✗';
    const figures = `${result.states} states, ${result.seconds.toFixed(1)} s`;
    say(`${mark} ${count}/${chosen.length} ${result.name}: ${result.verdict} (${figures})`);
    if (!result.isGood) say(`    expected: ${result.expected}; ${result.detail}`);
  });
  const failed = results.filter((one) => !one.isGood).length;
  const seconds = (performance.now() - started) / 1000;
  if (options.json === true)
    process.stdout.write(`${JSON.stringify({ seconds, results }, null, 2)}\n`);
  say(`\n${results.length - failed} as expected, ${failed} not, in ${seconds.toFixed(0)} s`);
  if (failed > 0) process.exitCode = 1;
}

function chosenChecks({ quick, full, only }: Options): Check[] {
  const chosen = checks.filter(
    (one) =>
      (!quick || one.isQuick) && (full === true || !one.isLong) && one.name.includes(only ?? ''),
  );
  if (chosen.length === 0) {
    const names = checks.map((one) => one.name).join('\n  ');
    throw new ModelError('bad_option', `No check is named ${only ?? ''}. There are:\n  ${names}`);
  }
  return chosen;
}

async function checkTraces(
  file: string,
  options: Options,
  say: (line: string) => void,
): Promise<void> {
  const verdicts = [];
  for (const [index, events] of runsOf(readFileSync(file, 'utf8')).entries()) {
    const verdict = await conforms(String(index + 1), events);
    verdicts.push(verdict);
    const end = verdict.isAllowed ? 'allowed' : `REFUSED at ${verdict.refused ?? 'its end'}`;
    say(`${verdict.isAllowed ? '✓' : '✗'} run ${index + 1}: ${verdict.steps} steps, ${end}`);
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify(verdicts, null, 2)}\n`);
  if (verdicts.length === 0) throw new ModelError('bad_trace', `${file} holds no run`);
  if (verdicts.some((one) => !one.isAllowed)) process.exitCode = 1;
}

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  process.stderr.write(`${error instanceof ModelError ? error.message : error.stack}\n`);
  process.exitCode = 1;
}
