/** Reads what the functions logged of their steps, to split a commit by hop. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { median } from './report.ts';

export interface LoggedStep {
  validator: string;
  /** When the batch was received, milliseconds since the epoch. */
  received: number;
  /** How long its oldest message waited in the queue, milliseconds. */
  queued: number;
  /** How long the step took, milliseconds. */
  took: number;
  events: string[];
}

export function readSteps(folder: string, validators: readonly string[]): LoggedStep[] {
  return validators.flatMap((validator) => {
    const text = readFileSync(join(folder, 'logs', `${validator}.log`), 'utf8');
    return text.split('\n').flatMap((line) => parseStep(line, validator));
  });
}

function parseStep(line: string, validator: string): LoggedStep[] {
  if (!line.startsWith('{') || !line.includes('"message":"step"')) return [];
  try {
    const { received, queued, took, events } = JSON.parse(line) as Omit<LoggedStep, 'validator'>;
    return [{ validator, received, queued, took, events }];
  } catch {
    return [];
  }
}

export interface Hop {
  name: string;
  queuedMs: number;
  tookMs: number;
  steps: number;
}

const hopNames = ['wake', 'forward', 'pre-prepare', 'prepare', 'commit'];

/** Median queue time and step time of each kind of message within a time range. */
export function hopsWithin(steps: readonly LoggedStep[], from: number, to: number): Hop[] {
  const within = steps.filter((step) => step.received >= from && step.received <= to);
  return hopNames.map((name) => {
    const of = within.filter((step) =>
      step.events.some((event) => event.split('+').includes(name)),
    );
    return {
      name,
      queuedMs: median(of.map((step) => step.queued)),
      tookMs: median(of.map((step) => step.took)),
      steps: of.length,
    };
  });
}

/** Calls to AWS that functions of these accounts logged within a time range, by operation. */
export function callsWithin(
  folder: string,
  accounts: readonly string[],
  from: number,
  to: number,
): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const account of accounts) {
    const text = readFileSync(join(folder, 'logs', `${account}.log`), 'utf8');
    for (const line of text.split('\n')) addCalls(line, { from, to }, sums);
  }
  return sums;
}

function addCalls(
  line: string,
  range: { from: number; to: number },
  sums: Record<string, number>,
): void {
  if (!line.startsWith('{') || !line.includes('"calls":{')) return;
  const { timestamp, calls } = JSON.parse(line) as {
    timestamp: string;
    calls: Record<string, number>;
  };
  const at = Date.parse(timestamp);
  if (at < range.from || at > range.to) return;
  for (const [name, count] of Object.entries(calls)) sums[name] = (sums[name] ?? 0) + count;
}
