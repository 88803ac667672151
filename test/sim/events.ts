/**
 * What replicas did, for a machine to check against a model: JSON lines, in the order of virtual
 * time, of HONEST replicas only (a faulty one may do anything; of it only the faults are told).
 *
 * Every line has `at` (virtual milliseconds since the start), `replica` (validator id), `type`:
 *
 * - `start`     {validators: [id…], f, quorum}: the first line of a run; `replica` is empty
 * - `vote`      {phase: prepare|commit|view-change|new-view, height, view, hash, validatorsHash}
 *               a vote that left the replica for the first time. It was stored before. `hash` is
 *               the header hash, or the digest of a view-change or new-view
 * - `prepared`  of a view-change vote: {height, view, hash} of the prepared certificate that it
 *               carries, or nulls; comes right after its `vote`
 * - `view`      {view, changing}: the replica's stored view has moved: `changing` true when it
 *               asks for the view and false when it has entered it (by a new-view)
 * - `commit`    {height, view, hash, validatorsHash}: the replica's head moved to this header;
 *               `view` is that of the certificate
 * - `suspended` {validator}: the replica's state shows this seat as suspended from now on
 * - `learner`   {learner}: the replica began (true) or stopped (false) to be a learner
 * - `rejoin`    {validator, incarnation}: the replica's state shows a seat's new incarnation
 * - `set`       {validators: [id…], height}: the set that votes on head + 1 has other members
 * - `fault`     {id}: a fault of the environment that may matter to a model: crash, restore,
 *               wipe, clone of this replica
 *
 * Hashes are lower-case hex. The format only grows: a reader passes over types it does not know.
 */

export type SimEvent = { at: number; replica: string } & (
  | { type: 'start'; validators: readonly string[]; f: number; quorum: number }
  | {
      type: 'vote';
      phase: string;
      height: number;
      view: number;
      hash: string;
      validatorsHash: string;
    }
  | { type: 'prepared'; height: number | null; view: number | null; hash: string | null }
  | { type: 'view'; view: number; changing: boolean }
  | { type: 'commit'; height: number; view: number; hash: string; validatorsHash: string }
  | { type: 'suspended'; validator: string }
  | { type: 'learner'; learner: boolean }
  | { type: 'rejoin'; validator: string; incarnation: number }
  | { type: 'set'; validators: readonly string[]; height: number }
  | { type: 'fault'; id: string }
);

/** An event as its type says, before the engine adds when and where it was. */
export type EventOf = SimEvent extends infer E
  ? E extends SimEvent
    ? Omit<E, 'at' | 'replica'>
    : never
  : never;
