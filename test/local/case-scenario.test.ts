/** The story of `npm run demo -- --scenario case`, shorter, over the whole network in memory. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { npiOf } from '../../local/lib/registry-answers.ts';
import { playStay } from '../../local/scenarios/case.ts';
import type { Cast } from '../../local/scenarios/cast.ts';
import { Steps } from '../../local/scenarios/steps.ts';
import { makeWorld, type World } from '../sdk/world.ts';

/** `CASE_NOTES=500` plays the whole story. */
const NOTES = Number(process.env['CASE_NOTES'] ?? 30);

let world: World;
let work: string;
beforeAll(async () => {
  world = await makeWorld();
  work = mkdtempSync(join(tmpdir(), 'cq-stay-'));
});
afterAll(async () => {
  rmSync(work, { recursive: true, force: true });
  await world.close();
});

it('plays a stay of twelve clinicians to its verified end', async () => {
  const networkFile = join(work, 'genesis.json');
  writeFileSync(networkFile, JSON.stringify(world.net.signed));
  const hospitals = world.net.validators.map(({ id }) => id);
  const cast = {
    hospitals,
    patient: async (name: string) => ({ patient: await world.patient(name, ['general']) }),
    doctor: async (hospital: string, index: number) => ({
      doctor: await world.doctor(
        `Doctor ${'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[index] ?? ''}anders`,
        hospitals.indexOf(hospital),
        npiOf(String(100_001_000 + index)),
      ),
      approved: null,
    }),
    operator: async (hospital: string) => world.operator(hospitals.indexOf(hospital)),
  } as unknown as Cast;
  const lines: string[] = [];
  const steps = new Steps((line) => lines.push(line));
  const { network } = world;
  const stage = { network, networkFile, documents: [], work, steps, cast, accounts: null };
  await playStay(stage, { notes: NOTES });
  expect(lines.join('\n')).toContain('verified offline');
  if (process.env['CASE_NOTES']) console.log(lines.join('\n'));
}, 1_200_000);
