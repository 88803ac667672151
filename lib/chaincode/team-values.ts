/** Values of state about care teams: who is in them, and the key that patients seal to. */
import { z } from 'zod';
import { bytesField, heightField, timeField, validatorIdField } from '../wire/fields.ts';
import { chaincodeBounds } from './bounds.ts';
import { digestField, idField, kidField, subjectField } from './fields.ts';

const momentSchema = z.strictObject({ time: timeField, height: heightField });

/**
 * Digits, and letters of Latin, Greek, Cyrillic, Hebrew, Arabic, kana, Han and Hangul. By number: what
 * `\p{L}` takes depends on the Unicode version of a runtime, and so would the block.
 */
const WORD =
  '0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\u0386\u0388-\u03ce' +
  '\u0400-\u0481\u048a-\u04ff\u05d0-\u05ea\u0620-\u064a\u3041-\u3096\u30a1-\u30fa' +
  '\u4e00-\u9fff\uac00-\ud7a3';

/** What a hospital calls a team: letters, digits and a few marks, so that it cannot be dressed up. */
export const teamNameField = z
  .string()
  .regex(new RegExp(`^[${WORD}](?:[${WORD} .,'()&/-]{0,78}[${WORD}.)])?$`, 'u'), 'a name')
  .describe('name of 1 to 80 characters');

/** Counts the keys of a team. A new one follows each time that somebody left. */
export const teamEpochField = z.int().min(1).max(chaincodeBounds.teamEpochMax);

const memberSchema = z.strictObject({
  subject: subjectField,
  since: momentSchema,
  /** What a present member sealed to this one: the seeds of the team's keys. */
  seal: z
    .strictObject({
      /** The key of the member that it was made for. */
      kid: kidField,
      digest: digestField,
      /** The newest key that it holds, and the version of the team that named it. */
      epoch: teamEpochField,
      version: z.int().min(1),
    })
    .nullable(),
});
export type TeamMember = z.infer<typeof memberSchema>;

export const teamSchema = z.strictObject({
  id: idField,
  name: teamNameField,
  hospital: validatorIdField,
  members: z.array(memberSchema).max(chaincodeBounds.teamMembersMax),
  epoch: teamEpochField,
  /** Null from when somebody left until a present member has made the key of this epoch. */
  key: z
    .strictObject({
      publicKey: bytesField(chaincodeBounds.shareKeyBytes),
      maker: subjectField,
      made: momentSchema,
    })
    .nullable(),
  /** Counts all changes, seals and keys too. */
  version: z.int().min(1),
  created: momentSchema,
  closed: momentSchema.nullable(),
});
export type Team = z.infer<typeof teamSchema>;

/** Teams that a person is in. */
export const teamsOfSchema = z.array(idField).max(chaincodeBounds.teamsOfSubjectMax);
export const teamEntrySchema = z.strictObject({ teamId: idField });

/** What became of a team, in a list that is complete. */
export const teamLogSchema = z.strictObject({
  time: timeField,
  height: heightField,
  what: z.enum(['created', 'joined', 'left', 'key', 'closed']),
  /** Who joined or left, or who made the key. */
  subjects: z.array(subjectField).max(chaincodeBounds.teamMembersMax),
  epoch: teamEpochField,
});
export type TeamLogEntry = z.infer<typeof teamLogSchema>;
