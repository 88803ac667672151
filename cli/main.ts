/** The command line as a process: signals, exit code, and nothing else. */
import { nodeEnvironment } from './environment.ts';
import { exitCodes } from './exit-codes.ts';
import { runCli } from './program.ts';

const environment = nodeEnvironment();

const STOPPED = '\nStopped: nothing was under way.\nNext: Run the command again.\n';
const CUT =
  '\nStopped in the middle of a step, which may still take effect.\n' +
  'Next: Look at `carequorum history` or `carequorum inbox`, then run the command again.\n';

async function stop(): Promise<void> {
  const { interrupt } = environment;
  const outcome = interrupt.request(Date.now());
  if (outcome === 'same') return;
  if (outcome === 'finishing') {
    environment.err('\nFinishing the step under way. Press Ctrl-C again to stop at once.\n');
    return;
  }
  await interrupt.cleanUp();
  environment.err(outcome === 'cut' ? CUT : STOPPED);
  process.exit(exitCodes.interrupted);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void stop());
}
// A reader that ends early, as `head` does, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.ok);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), environment);
