/**
 * A study in the seeded story: registered, opened, joined, released to, published, left, closed.
 */
import type { SignedRequest } from '../../lib/wire/transaction.ts';
import {
  type Acting,
  grantArgs,
  id16,
  type PatientKeys,
  type Person,
  recordArgs,
  studyArgs,
  text32,
  type World,
} from './world.ts';

type Say = (who: Acting, fn: string, args: SignedRequest['args']) => Promise<unknown>;

interface StudyCast {
  readonly patients: readonly PatientKeys[];
  readonly doctor: Person;
  readonly researcher: Person;
  readonly coordinator: Person;
  readonly operators: readonly Acting[];
}

export async function studyRuns(say: Say, world: World, cast: StudyCast): Promise<void> {
  const { patients, doctor, researcher, coordinator, operators } = cast;
  const [studyId, digest] = ['seeded-study', text32('digest')];
  const study = { studyId };
  await say(researcher, 'study.register', studyArgs(coordinator, { studyId, k: 2, l: 1 }));
  for (const one of operators) {
    await say(one, 'study.approve', { ...study, ethicsDigest: digest });
  }
  const members = [];
  for (const [at, patient] of patients.entries()) {
    const commitment = text32(`seeded participant ${at}`);
    const rights = ['read', 'write', 'share'];
    const terms = { rights, purposes: ['TREAT', 'RESCH'], study: studyId, anonymise: true };
    await say(patient, 'permission.grant', grantArgs(world, doctor, terms));
    await say(patient, 'study.join', { ...study, commitment });
    const recordId = id16(`seeded study record ${at}`);
    await say(doctor, 'record.register', recordArgs(patient, { recordId }));
    await say(world.custodian, 'record.stored', { recordId, objectDigest: digest });
    const release = { releaseId: id16(`seeded release ${at}`), ...study, recordId };
    await say(doctor, 'release.submit', {
      ...{ ...release, rowCommitment: digest, rowDigest: digest, payloadDigest: digest },
    });
    members.push({ participant: commitment, releases: [at] });
  }
  await say(coordinator, 'release.collect', study);
  const classes = [{ classId: 1, members }];
  const publication = { ...study, batch: 1, rowsDigest: digest, classes };
  await say(coordinator, 'release.publish', publication);
  await say(researcher, 'release.access', { ...study, batch: 1 });
  await say(patients[0] as Acting, 'study.withdraw', study);
  await say(researcher, 'study.close', study);
}
