/** What a replica measures of itself, from what its steps log and from what they leave in memory. */

import { MAIN_LEDGER } from '../../lib/wire/ledger.ts';
import type { RefusalMetric, StepMetric } from '../aws/metric-names.ts';
import type { StepLog, ValidatorRuntime } from './runtime.ts';

export interface MetricSink {
  add(name: StepMetric, value: number): void;
  refused(name: RefusalMetric, code: string, count: number): void;
}

/** When the own votes of a height were cast, milliseconds. */
interface Votes {
  height: number;
  prepare?: number;
  commit?: number;
}

export class StepMetrics {
  readonly #sink: MetricSink;
  readonly #clock: () => number;
  /** Of each ledger the votes of the newest height; a process that dies loses one measurement. */
  readonly #votes = new Map<string, Votes>();

  constructor(sink: MetricSink, clock: () => number) {
    this.#sink = sink;
    this.#clock = clock;
  }

  /** Takes what a step says. */
  observe(entry: StepLog): void {
    switch (entry.event) {
      case 'voted':
        return this.#voted(entry);
      case 'committed':
        return this.#committed(entry);
      case 'alarm':
        if (entry.code === 'view_changed') this.#sink.add('ViewChanges', 1);
        return;
      case 'dropped':
        return this.#sink.add('Dropped', 1);
      case 'send_failed':
        return this.#sink.add('SendsFailed', 1);
      case 'snapshot':
      case 'fenced':
        return;
    }
  }

  /** Takes how long a step took, and what it left. */
  stepped(
    { warm }: Pick<ValidatorRuntime, 'warm'>,
    ledger: string,
    times: { took: number; queued: number },
  ): void {
    this.#sink.add('StepTime', times.took);
    this.#sink.add('QueueTime', times.queued);
    const left = warm.get(ledger);
    if (!left || ledger !== MAIN_LEDGER) return;
    const { state } = left.record;
    this.#sink.add('Height', state.head.header.height);
    this.#sink.add('View', state.view);
    this.#sink.add('Waiting', left.pending.entries.length);
    this.#sink.add('Learner', Number(state.learner));
    this.#sink.add('Halted', Number(state.halted !== ''));
  }

  #voted({ ledger, phase, height }: Extract<StepLog, { event: 'voted' }>): void {
    if (phase !== 'prepare' && phase !== 'commit') return;
    const known = this.#votes.get(ledger);
    const votes = known?.height === height ? known : { height };
    // A vote of a later view begins anew: the wait before it was a view change.
    votes[phase] = this.#clock();
    this.#votes.set(ledger, votes);
    if (phase === 'commit' && votes.prepare !== undefined) {
      this.#sink.add('PrepareTime', Math.max(0, this.#clock() - votes.prepare));
    }
  }

  #committed(entry: Extract<StepLog, { event: 'committed' }>): void {
    const { ledger, height, transactions, waited, refusals } = entry;
    this.#sink.add('Blocks', 1);
    this.#sink.add('Transactions', transactions);
    if (waited !== null) this.#sink.add('RequestTime', waited);
    for (const [code, count] of Object.entries(refusals)) {
      this.#sink.refused('ChaincodeRefused', code, count);
    }
    const votes = this.#votes.get(ledger);
    if (votes?.height === height && votes.commit !== undefined) {
      this.#sink.add('CommitTime', Math.max(0, this.#clock() - votes.commit));
    }
    this.#votes.delete(ledger);
  }
}
