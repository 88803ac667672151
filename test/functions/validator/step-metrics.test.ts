/** What a replica measures of itself, and how it is written for CloudWatch. */
import { describe, expect, it, vi } from 'vitest';
import { METRIC_NAMESPACE, stepMetrics } from '../../../functions/aws/metric-names.ts';
import {
  addMetric,
  countRefusal,
  metrics,
  publishMetrics,
} from '../../../functions/aws/metrics.ts';
import { StepMetrics } from '../../../functions/validator/step-metrics.ts';
import { SmallNetwork } from './small-network.ts';

function recorder() {
  const values = new Map<string, number[]>();
  const refusals: [string, string, number][] = [];
  const sink = {
    add: (name: string, value: number): void => {
      values.set(name, [...(values.get(name) ?? []), value]);
    },
    refused: (...one: [string, string, number]): void => void refusals.push(one),
  };
  return { sink, values, refusals };
}

const block = { event: 'committed', ledger: 'main', view: 0, correlationIds: [] } as const;

describe('StepMetrics', () => {
  it('measures the phases of a height by the own votes', () => {
    const { sink, values, refusals } = recorder();
    let now = 1_000;
    const measured = new StepMetrics(sink, () => now);
    const vote = { event: 'voted', ledger: 'main', height: 7 } as const;
    measured.observe({ ...vote, phase: 'prepare' });
    now += 40;
    measured.observe({ ...vote, phase: 'commit' });
    now += 30;
    const refused = { no_permission: 2 };
    const facts = { height: 7, transactions: 5, waited: 120, refusals: refused };
    measured.observe({ ...block, ...facts });
    expect(Object.fromEntries(values)).toEqual({
      PrepareTime: [40],
      CommitTime: [30],
      Blocks: [1],
      Transactions: [5],
      RequestTime: [120],
    });
    expect(refusals).toEqual([['ChaincodeRefused', 'no_permission', 2]]);
  });

  it('measures no phase of a block that came by catching up', () => {
    const { sink, values } = recorder();
    const measured = new StepMetrics(sink, () => 1);
    measured.observe({ event: 'voted', ledger: 'main', phase: 'commit', height: 7 });
    measured.observe({ ...block, height: 9, transactions: 1, waited: null, refusals: {} });
    expect([...values.keys()].sort()).toEqual(['Blocks', 'Transactions']);
  });

  it('tells ledgers apart', () => {
    const { sink, values } = recorder();
    let now = 0;
    const measured = new StepMetrics(sink, () => now);
    measured.observe({ event: 'voted', ledger: 'main', phase: 'prepare', height: 7 });
    now += 50;
    measured.observe({ event: 'voted', ledger: 'other', phase: 'prepare', height: 7 });
    measured.observe({ event: 'voted', ledger: 'other', phase: 'commit', height: 7 });
    expect(values.get('PrepareTime')).toEqual([0]);
  });

  it('sees blocks, phases, view changes and who does not vote in a real network', async () => {
    const network = await SmallNetwork.start();
    const { sink, values } = recorder();
    const measured = new StepMetrics(sink, () => network.now);
    await network.probe('south', 'one');
    await network.run(5_000);
    for (const line of network.logs.filter(({ at }) => at === 'south')) measured.observe(line);
    expect(values.get('Blocks')).toEqual([1]);
    expect(values.get('Transactions')).toEqual([1]);
    expect(values.get('PrepareTime')).toHaveLength(1);
    const { runtime } = network.node('south');
    if (!runtime) throw new Error('south has no runtime');
    measured.stepped(runtime, 'main', { took: 5, queued: 9 });
    expect(values.get('Height')).toEqual([1]);
    expect([values.get('Learner'), values.get('Halted')]).toEqual([[0], [0]]);
    expect([values.get('StepTime'), values.get('QueueTime')]).toEqual([[5], [9]]);
    measured.stepped(runtime, 'unknown', { took: 5, queued: 9 });
    expect(values.get('Height')).toHaveLength(1);
  });

  it('counts a view change once', () => {
    const { sink, values } = recorder();
    const measured = new StepMetrics(sink, () => 1);
    const alarm = { event: 'alarm', ledger: 'main', detail: 'view 1' } as const;
    measured.observe({ ...alarm, code: 'view_changed' });
    measured.observe({ ...alarm, code: 'proposal_refused' });
    expect(values.get('ViewChanges')).toEqual([1]);
  });
});

describe('the embedded format', () => {
  const lines = (work: () => void): Record<string, unknown>[] => {
    const log = vi.spyOn(metrics['console'], 'log').mockImplementation(() => undefined);
    const own = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    work();
    const written = [...log.mock.calls, ...own.mock.calls].map(([text]) => String(text));
    log.mockRestore();
    own.mockRestore();
    return written.map((text) => JSON.parse(text) as Record<string, unknown>);
  };

  it('names namespace, dimension and units', () => {
    const [line] = lines(() => {
      addMetric('Blocks', 1);
      addMetric('CommitTime', 30);
      addMetric('CommitTime', 34);
      publishMetrics();
    });
    expect(line).toMatchObject({ service: 'carequorum', Blocks: 1, CommitTime: [30, 34] });
    expect(line?.['_aws']).toMatchObject({
      CloudWatchMetrics: [
        {
          Namespace: METRIC_NAMESPACE,
          Dimensions: [['service']],
          Metrics: [
            { Name: 'Blocks', Unit: stepMetrics.Blocks },
            { Name: 'CommitTime', Unit: 'Milliseconds' },
          ],
        },
      ],
    });
  });

  it('writes nothing where nothing was measured', () => {
    expect(lines(publishMetrics)).toEqual([]);
  });

  it('makes no metric of what is not a code', () => {
    const write = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    countRefusal('Refused', 'Ada Okonjo', 1);
    countRefusal('Refused', 'x'.repeat(65), 1);
    const before = write.mock.calls.length;
    countRefusal('Refused', 'mempool_full', 3);
    const text = write.mock.calls.map(([chunk]) => String(chunk)).join('');
    write.mockRestore();
    expect(before).toBe(0);
    expect(JSON.parse(text)).toMatchObject({
      code: 'mempool_full',
      Refused: 3,
      service: 'carequorum',
    });
  });
});
