/** Names of people, made comparable: registries write them in capitals, without accents or titles. */

const TITLES: ReadonlySet<string> = new Set(
  'DR PROF MR MRS MS MX MD DO RN NP PA PHD PHARMD DDS DMD DPM OD PSYD CRNA APRN'.split(' '),
);

/** Words of a name in capitals without accents, punctuation, titles and degrees. */
export function nameWords(name: string): string[] {
  return name
    .normalize('NFKD')
    .replaceAll(/\p{M}/gu, '')
    .toUpperCase()
    .replaceAll(/\b([A-Z])\.(?=[A-Z]\b)/g, '$1')
    .replaceAll(/['’.]/g, '')
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '' && !TITLES.has(word));
}

/** One text for all spellings of a name, in any order of its words: to look up by. */
export function canonicalName(name: string): string {
  return nameWords(name).sort().join(' ');
}

/** A person's name as a registry has it. */
export interface RegisteredName {
  first: string;
  last: string;
  middle?: string | undefined;
}

/**
 * Whether `claimed` is this person's name: all words of first and last name, and beyond them only
 * the middle name or its initials.
 */
export function isSameName(claimed: string, { first, last, middle }: RegisteredName): boolean {
  const left = nameWords(claimed);
  const required = [...nameWords(first), ...nameWords(last)];
  if (nameWords(first).length === 0 || nameWords(last).length === 0) return false;
  for (const word of required) {
    const at = left.indexOf(word);
    if (at < 0) return false;
    left.splice(at, 1);
  }
  const allowed = nameWords(middle ?? '');
  return left.every((word) => allowed.some((one) => one === word || one.charAt(0) === word));
}
