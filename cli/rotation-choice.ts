/** Which permissions a rotation gives again: the patient sees them all, and says which to leave out. */
import type { Permission } from '../lib/chaincode/values.ts';
import { SdkError } from '../sdk/errors.ts';
import type { Patient } from '../sdk/patient.ts';
import type { CommandContext } from './context.ts';
import { UsageError } from './errors.ts';
import { RECENT } from './options.ts';
import { shortId } from './output.ts';
import { byId } from './people.ts';
import { holdersOf, namedTerms } from './permissions.ts';
import { timeText, type When } from './times.ts';
import { listText } from './words.ts';

const changing: ReadonlySet<string> = new Set([
  'permission.grant',
  'permission.extend',
  'representative.appoint',
]);

export interface ChoiceOptions {
  /** When the keys may have come into other hands. */
  readonly since?: When;
  /** Ids, their starts, or `recent`. */
  readonly leaveOut?: readonly string[];
}

interface Choice {
  readonly keep: readonly Permission[];
  readonly leaveOut: readonly Permission[];
  /** Ids of those that were given or extended since. */
  readonly recent: ReadonlySet<string>;
}

/** Live permissions, sorted into what goes on and what ends. Signs nothing. */
export async function choosePermissions(
  context: CommandContext,
  patient: Patient,
  { since, leaveOut = [] }: ChoiceOptions,
): Promise<Choice> {
  if (leaveOut.includes(RECENT) && since === undefined) {
    throw new UsageError(
      `--leave-out ${RECENT} leaves out what was given or extended since a time.`,
      'Give --since with the day from which somebody else may have had your keys.',
    );
  }
  const now = context.now();
  return context.look('Asking the hospitals', async (signal) => {
    const all = await patient.permissions({ signal });
    const live = all.filter(({ revoked, until }) => revoked === null && until > now);
    const recent =
      since === undefined
        ? new Set<string>()
        : await changedSince(
            patient,
            since.kind === 'moment' ? since.time : now - since.ms,
            signal,
          );
    const named = new Set(
      leaveOut
        .filter((one) => one !== RECENT)
        .map(
          (one) => byId(live, one, { what: 'permission', listedBy: 'carequorum grant --list' }).id,
        ),
    );
    const isOut = ({ id }: Permission): boolean =>
      named.has(id) || (leaveOut.includes(RECENT) && recent.has(id));
    const out = live.filter(isOut);
    return { keep: live.filter((one) => !isOut(one)), leaveOut: out, recent };
  });
}

/** Permissions that were given, or let go further, from a time on: by whoever had the keys. */
async function changedSince(
  patient: Patient,
  time: number,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  if (time > patient.session.clock.now()) {
    throw new SdkError('bad_input', '--since is in the future.', {
      nextStep: 'Give the day from which somebody else may have had your keys.',
    });
  }
  const history = await patient.history({ signal });
  const found = history.filter((one) => one.time >= time && changing.has(one.fn));
  return new Set(
    found.flatMap(({ permissionId }) => (permissionId === null ? [] : [permissionId])),
  );
}

/** All of them for a person to read, before the yes. */
export async function choiceLines(
  patient: Patient,
  { keep, leaveOut, recent }: Choice,
): Promise<string[]> {
  const holders = await holdersOf(patient, [...keep, ...leaveOut]);
  const unknown = new Set(keep.filter((one) => isUnknown(one, holders)).map(({ id }) => id));
  // What a representative gave stands on the appointment, and ends with it.
  const cannot = (one: Permission): boolean =>
    unknown.has(one.id) || (one.appointmentId !== null && unknown.has(one.appointmentId));
  const again = keep.filter((one) => !cannot(one));
  const line = (one: Permission): string => {
    const name = isUnknown(one, holders)
      ? 'a representative whose card is not in your keystore'
      : shortId(one.grantee);
    const who = holders.get(one.grantee) ?? name;
    const { categories } = namedTerms(patient, one);
    const mark = recent.has(one.id) ? '  ← given or extended since then' : '';
    const until = `until ${timeText(one.until)}, given ${timeText(one.granted.time)}`;
    const id = shortId(one.id);
    return `    ${id}…  ${who} may ${listText(one.rights)} ${listText(categories)} ${until}${mark}`;
  };
  return [
    ...listed('These permissions are given again:', again.map(line)),
    ...listed(
      'These end, as your keystore lacks the card of the representative; appoint anew whom you want:',
      keep.filter(cannot).map(line),
    ),
    ...listed('These end now and are NOT given again:', leaveOut.map(line)),
    ...(again.length === 0
      ? []
      : [
          'Nobody but you can tell which of them a thief gave with your keys: look at each one.',
          'To leave some out, say no, then add --leave-out with their ids, or --since DATE to see what is new.',
        ]),
  ];
}

function listed(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [heading, ...lines];
}

/** A representative who cannot be appointed again: the card is not in the keystore. */
function isUnknown(
  { granteeKind, grantee }: Permission,
  holders: ReadonlyMap<string, string>,
): boolean {
  return granteeKind === 'representative' && !holders.has(grantee);
}
