/** What limits the rate: shares of the machine's processor time, and the sentence that names it. */
import type { CpuTimes } from './processes.ts';

/** Shares of all cores, percent, between two readings. */
export interface CpuShares {
  readonly functions: number;
  readonly emulators: number;
  readonly load: number;
  /** Whatever else ran on the machine. */
  readonly others: number;
  readonly idle: number;
  /** The emulator that used most, percent of one core: its interpreter runs on one at a time. */
  readonly busiest: { readonly id: string; readonly ofOneCore: number } | null;
}

/** From here on a processor counts as full, percent. */
const FULL = 85;
/** Committed of what was due, from which nothing limited. */
const KEPT_UP = 0.95;

const names = {
  functions: 'the functions',
  emulators: 'the emulators',
  load: 'the load itself',
  others: 'other programs',
} as const;
type Group = keyof typeof names;
const groups = Object.keys(names) as readonly Group[];

export function sharesOf(from: CpuTimes, to: CpuTimes, cores: number): CpuShares {
  const elapsed = to.at - from.at;
  const share = (ms: number): number => (100 * Math.max(0, ms)) / (elapsed * cores);
  const functions = share(to.functions - from.functions);
  const emulators = share(to.emulators - from.emulators);
  const load = share(to.load - from.load);
  const busy = Math.min(100, share(to.busy - from.busy));
  const byEmulator = [...to.byEmulator].map(([id, ms]) => ({
    id,
    ofOneCore: (100 * (ms - (from.byEmulator.get(id) ?? 0))) / elapsed,
  }));
  const [busiest = null] = byEmulator.sort((a, b) => b.ofOneCore - a.ofOneCore);
  // Ticks are coarse: what is measured of the parts may be a little more than of the whole.
  const others = Math.max(0, busy - functions - emulators - load);
  const idle = Math.max(0, 100 - functions - emulators - load - others);
  return { functions, emulators, load, others, idle, busiest };
}

export function sharesText(shares: CpuShares, cores: number): string {
  const parts = groups.map((group) => `${names[group]} ${percent(shares[group])}`);
  return `${coresText(cores)} ${percent(100 - shares.idle)} busy: ${parts.join(', ')}`;
}

/** `committed` of `due` transactions a second came into blocks while they were due. */
export function verdict(
  shares: CpuShares | null,
  cores: number,
  { due, committed }: { readonly due: number; readonly committed: number },
): string {
  if (due === 0 || committed >= due * KEPT_UP)
    return 'Nothing limits at this rate: the network kept up.';
  if (!shares) return 'What limits cannot be measured on this system: it has no /proc.';
  const busy = 100 - shares.idle;
  const [most] = groups.toSorted((a, b) => shares[b] - shares[a]);
  if (busy >= FULL && most) {
    return (
      `The processor limits: ${coresText(cores)} ${percent(busy)} busy, and most of it ` +
      `(${percent(shares[most])}) is ${names[most]}.`
    );
  }
  if (shares.busiest && shares.busiest.ofOneCore >= FULL) {
    const { id, ofOneCore } = shares.busiest;
    return `One emulator limits: that of ${id} fills ${percent(ofOneCore)} of the one core it can use.`;
  }
  return (
    `Not the processor, which is ${percent(busy)} busy: what waits, waits for the steps of the ` +
    'protocol, one block after the other.'
  );
}

function coresText(cores: number): string {
  return cores === 1 ? 'the one core is' : `the ${cores} cores are`;
}

function percent(value: number): string {
  return `${Math.round(value)} %`;
}
