// Steps of a scenario: each is shown with its time and proof; one that fails ends the scenario.
import { SdkError } from '../../sdk/errors.ts';
import { printable } from './text.ts';

/** One line of the summary. */
export interface ScenarioStep {
  /** The scenario, and its round where it has several. */
  readonly part: string;
  readonly title: string;
  readonly isGood: boolean;
  readonly seconds: number;
  /** What proves it: blocks, receipts, digests; or why it is not as it must be. */
  readonly proof: string;
}

export interface Summary {
  readonly isGood: boolean;
  readonly steps: readonly ScenarioStep[];
}

/** Runs steps, prints each with its time and proof, and remembers whether all were good. */
export class Steps {
  readonly all: ScenarioStep[] = [];
  readonly #report: (line: string) => void;
  /** Named in each line of the summary. */
  part = '';

  constructor(report: (line: string) => void) {
    this.#report = report;
  }

  get isGood(): boolean {
    return this.all.every((step) => step.isGood);
  }

  line(text: string): void {
    this.#report(printable(text));
  }

  async run<T>(title: string, work: () => Promise<{ value: T; proof: string }>): Promise<T> {
    const started = performance.now();
    const seconds = (): number => (performance.now() - started) / 1000;
    try {
      const { value, proof } = await work();
      this.#add({ title, isGood: true, seconds: seconds(), proof });
      return value;
    } catch (error) {
      const proof = error instanceof Error ? error.message : String(error);
      this.#add({ title, isGood: false, seconds: seconds(), proof });
      if (error instanceof SdkError) this.#report(`    next: ${error.nextStep}`);
      else if (!(error instanceof UnexpectedError)) this.#report(String((error as Error).stack));
      throw new StepFailedError(title, { cause: error });
    }
  }

  #add(found: Omit<ScenarioStep, 'part'>): void {
    const step = { ...found, title: printable(found.title), proof: printable(found.proof) };
    this.all.push({ part: this.part, ...step });
    const mark = step.isGood ? '✓' : '✗';
    this.line(`${mark} ${step.title}  (${step.seconds.toFixed(1)} s)  ${step.proof}`);
  }
}

/** A step failed, and was reported; the round ends. */
export class StepFailedError extends Error {
  override readonly name = 'StepFailedError';
}

/** Something is not as it must be. */
export class UnexpectedError extends Error {
  override readonly name = 'UnexpectedError';
}

/** A step that failed was reported: the rest of its story is left out. */
export async function untilFailure(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof StepFailedError)) throw error;
  }
}

/** The steps as a table, for the end of a demonstration. */
export function summaryTable({ isGood, steps }: Summary): string[] {
  const title = Math.max(...steps.map((one) => one.title.length));
  const part = Math.max(...steps.map((one) => one.part.length));
  const lines = steps.map(
    (one) =>
      `${one.isGood ? '✓' : '✗'} ${one.part.padEnd(part)}  ${one.title.padEnd(title)}  ` +
      `${one.seconds.toFixed(1).padStart(6)} s  ${one.proof}`,
  );
  const good = steps.filter((one) => one.isGood).length;
  const end = isGood ? 'all as it must be' : 'NOT as it must be';
  return [...lines, '', `${good} of ${steps.length} steps: ${end}`];
}
