/** National Provider Identifiers: ten digits, the last by Luhn under the prefix 80840 (ISO 7812). */

const NPI_PATTERN = /^[12]\d{9}$/;
const ISSUER_PREFIX = '80840';

/** Whether `npi` can be a number of the registry; that it was issued is another question. */
export function isValidNpi(npi: string): boolean {
  return NPI_PATTERN.test(npi) && luhnSum(ISSUER_PREFIX + npi) % 10 === 0;
}

/** The Luhn sum with the check digit: every second digit from the right counts double. */
function luhnSum(digits: string): number {
  return [...digits].reverse().reduce((sum, character, index) => {
    const value = Number(character) * (index % 2 === 1 ? 2 : 1);
    return sum + (value > 9 ? value - 9 : value);
  }, 0);
}
