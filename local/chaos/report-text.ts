// The report of a chaos command as lines for people.
import { codesText, heldText, secondsText } from './measure.ts';
import type { ChaosReport } from './run.ts';

/** What was measured, and what is wrong. */
export function figureLines(report: ChaosReport): readonly string[] {
  const { load, held, ratePerSecond, recoveryMs, lost, seen, faults } = report;
  const expected = Object.keys(seen).length === 0 ? '' : `; as it must be: ${codesText(seen)}`;
  return [
    `load held        ${heldText(held, ratePerSecond)}`,
    `client errors    ${codesText(load.errors)}${expected}`,
    `tries elsewhere  ${codesText(load.tries)}`,
    `time to recover  ${secondsText(recoveryMs)} from the fault to a receipt of what came later`,
    `longest gap      ${secondsText(load.longestGapMs)} without a receipt`,
    `committed        ${load.committed} of ${load.submitted}, lost ${lost}`,
    ...faults.map((fault) => `! ${fault}`),
  ];
}

/** What was done, step by step, each with its time. */
export function phaseLines({ phases }: ChaosReport): readonly string[] {
  return phases.map(({ title, seconds, result }) => {
    const detail = result === '' ? '' : `: ${result}`;
    return `${seconds.toFixed(1).padStart(6)} s  ${title}${detail}`;
  });
}
