// Progress for people: one line a step with its time; on a terminal the running step is alive.

export interface Progress {
  /** Runs a step and shows its title, then its outcome and how long it took. */
  step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T>;
  readonly note: (text: string) => void;
}

export interface Step {
  /** What is being done just now. */
  readonly update: (detail: string) => void;
  /** What stands on the line once the step is done. */
  readonly result: (detail: string) => void;
}

const REDRAW_MS = 100;
/** Where a terminal does not tell its width. */
const COLUMNS = 80;
const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** A line per finished step: for logs, pipes and tests. */
export function lineProgress(log: (line: string) => void): Progress {
  return {
    note: log,
    async step(title, work) {
      const started = performance.now();
      let result = '';
      const step: Step = {
        update: () => undefined,
        result: (detail) => {
          result = detail;
        },
      };
      try {
        const value = await work(step);
        log(`  ✓ ${line(title, result, started)}`);
        return value;
      } catch (error) {
        log(`  ✗ ${line(title, '', started)}`);
        throw error;
      }
    },
  };
}

/** A spinner with the running step's detail and seconds, then the same lines. */
export function terminalProgress(stream: NodeJS.WriteStream): Progress {
  const clear = '\r\u001b[2K';
  const lines = lineProgress((text) => {
    stream.write(`${clear}${text}\n`);
  });
  return {
    note: lines.note,
    step: (title, work) =>
      lines.step(title, async (step) => {
        const started = performance.now();
        let detail = '';
        let frame = 0;
        const timer = setInterval(() => {
          frame = (frame + 1) % FRAMES.length;
          const text = `  ${FRAMES[frame] ?? ''} ${line(title, detail, started)}`;
          stream.write(`${clear}${text.slice(0, (stream.columns || COLUMNS) - 1)}`);
        }, REDRAW_MS);
        try {
          return await work({
            ...step,
            update: (text) => {
              detail = text;
            },
          });
        } finally {
          clearInterval(timer);
        }
      }),
  };
}

/** The right kind for where the output goes. */
export function progressFor(stream: NodeJS.WriteStream): Progress {
  if (stream.isTTY && process.env['CI'] === undefined) return terminalProgress(stream);
  return lineProgress((text) => {
    stream.write(`${text}\n`);
  });
}

function line(title: string, detail: string, started: number): string {
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  return `${title}${detail === '' ? '' : ` — ${detail}`}  (${seconds} s)`;
}
