/** What the command line's exit codes mean; `cli/bin.js` adds 70 where there is no Node to run on. */
export const exitCodes = {
  ok: 0,
  /** Refused by a party or the ledger, or failed. */
  failed: 1,
  /** The command line itself was wrong: nothing was done. */
  usage: 2,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const;
