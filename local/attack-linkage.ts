// `npm run attack:linkage`: the attack that the source names, on naive local releases and on ours.
import { parseArgs } from 'node:util';
import { type AttackResult, linkageAttack } from './linkage/attack.ts';

const { values } = parseArgs({
  options: {
    people: { type: 'string', default: '300' },
    seed: { type: 'string', default: '2017' },
    json: { type: 'boolean', default: false },
  },
});
const report = linkageAttack({ people: Number(values.people), seed: Number(values.seed) });

const share = ({ disclosed, targets }: AttackResult): string =>
  `${disclosed} of ${targets} (${((100 * disclosed) / Math.max(1, targets)).toFixed(1)} %)`;

if (values.json) console.log(JSON.stringify(report, null, 2));
else {
  const { k, l } = report.rule;
  console.log(
    `${report.people} synthetic patients of three hospitals, half of them treated in two.`,
  );
  console.log('The attacker knows year of birth, sex, postcode and the hospitals of a person, and');
  console.log('wants to know what the person has.');
  console.log('');
  console.log(`each hospital for itself, k = ${k}, l = ${l}:   learned of ${share(report.naive)}`);
  console.log(`one coordinator over all, k = ${k}, l = ${l}:   learned of ${share(report.ours)}`);
  console.log('');
  console.log(
    `left with fewer than ${k} people: ${report.naive.singledOut} and ${report.ours.singledOut}.`,
  );
}
process.exitCode = report.ours.disclosed === 0 && report.ours.singledOut === 0 ? 0 : 1;
